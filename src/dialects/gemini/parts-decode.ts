import { type ContentPart, contentPart, textPart } from "../../core/chat.ts";
import type { AnswerContext } from "../../core/dialect.ts";
import { unwrapped } from "../../core/freeform.ts";
import { type Fields, isJsonObject, textAt } from "../../core/json-fields.ts";
import { callerTool } from "../../core/tool-names.ts";
import { extensionsOf, issuer } from "./fields.ts";
import { signatureTokens } from "./signatures.ts";

/** Keys of a part, or of what is in it, that have a place of their own. */
const known = {
  text: new Set(["text", "thought", "thoughtSignature"]),
  call: new Set(["functionCall", "thoughtSignature"]),
  media: new Set(["inlineData", "thoughtSignature"]),
} as const satisfies Record<string, ReadonlySet<string>>;

/** A part of text or of thoughts, as yet without its words. What Google shows of thoughts is a summary of its own. */
export function openPart(part: Fields): ContentPart {
  const opened =
    part["thought"] === true ? reasoningPart(part) : { ...textPart(""), opaque: signatureTokens(textAt(part, "thoughtSignature")) };
  opened.extensionsJson = extensionsOf(part, known.text);
  return opened;
}

function reasoningPart(part: Fields): ContentPart {
  const opaque = signatureTokens(textAt(part, "thoughtSignature"));
  return contentPart({ case: "reasoning", value: { $typeName: "semaroute.v1.ReasoningPart", text: "", summary: true, opaque } });
}

/** A call as it came; `argumentsJson` is whole, for arguments never come in pieces. */
export interface WireCall {
  /** Empty: Google gave none. */
  readonly id: string;
  readonly name: string;
  readonly custom: boolean;
  readonly argumentsJson: string;
}

/** What a `functionCall` says. */
export function wireCall(call: Fields, context: AnswerContext): WireCall {
  const { name, custom } = callerTool(textAt(call, "name"), context);
  // Absent where there are none.
  const argumentsJson = JSON.stringify(isJsonObject(call["args"]) ? call["args"] : {});
  return { id: textAt(call, "id"), name, custom, argumentsJson: custom ? unwrapped(argumentsJson) : argumentsJson };
}

/** A call's part, as yet without its arguments. */
export function callPart(part: Fields, { name, custom }: WireCall, id: string): ContentPart {
  const made = contentPart({ case: "toolCall", value: { $typeName: "semaroute.v1.ToolCallPart", id, name, argumentsJson: "", custom } });
  made.opaque = signatureTokens(textAt(part, "thoughtSignature"));
  made.extensionsJson = extensionsOf(part, known.call);
  return made;
}

/** A generated picture. */
export function imagePart(part: Fields, mimeType: string, data: Uint8Array): ContentPart {
  const media = { $typeName: "semaroute.v1.Media" as const, source: { case: "data" as const, value: data }, mimeType, filename: "" };
  return sealed(part, contentPart({ case: "image", value: { $typeName: "semaroute.v1.ImagePart", media, detail: 0 } }));
}

/** Generated sound, as yet without its bytes. */
export function audioPart(part: Fields, mimeType: string): ContentPart {
  const source = { case: "data" as const, value: new Uint8Array() };
  const media = { $typeName: "semaroute.v1.Media" as const, source, mimeType, filename: "" };
  return sealed(part, contentPart({ case: "audio", value: { $typeName: "semaroute.v1.AudioPart", media, transcript: "", audioId: "" } }));
}

/** What has no neutral form, such as code that ran at Google: the part itself, signature and all. */
export function nativePart(part: Fields): ContentPart {
  return contentPart({ case: "native", value: { $typeName: "semaroute.v1.NativePart", issuer, json: JSON.stringify(part) } });
}

function sealed(part: Fields, made: ContentPart): ContentPart {
  made.opaque = signatureTokens(textAt(part, "thoughtSignature"));
  made.extensionsJson = extensionsOf(part, known.media);
  return made;
}
