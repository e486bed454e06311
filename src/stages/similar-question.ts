import { hash } from "node:crypto";
import type { Call } from "../core/call.ts";
import { type ChatRequest, type ContentPart, isEmbedRequest, type Message, Role } from "../core/chat.ts";
import type { Partition } from "../core/similar.ts";
import { chatBytes } from "./recall-key.ts";

/** Longest question that is compared, in characters: in longer ones a changed word hardly moves the direction. */
const charactersMax = 4000;

/** What of a call may be answered as something similar was. */
export interface Question {
  /** Of the last message of the user. */
  readonly text: string;
  readonly partition: Partition;
}

/**
 * Undefined: the call is never answered by what is similar only, for it is no chat, or one with anything but text: tools, media, several
 * answers, or what our vocabulary does not know. Numbers in the question are part of the partition: to an embedder 12 and 13 are alike.
 */
export function questionOf({ key, request }: Call): Question | undefined {
  if (isEmbedRequest(request) || !isPlain(request)) return undefined;
  const last = request.messages.at(-1);
  if (last?.role !== Role.USER) return undefined;
  const text = [last.text, ...last.content.map(({ part }) => (part.case === "text" ? part.value.text : ""))].join("\n").trim();
  if (text === "" || text.length > charactersMax) return undefined;
  const rest = { ...request, messages: [...request.messages.slice(0, -1), withoutText(last)] };
  const numbers = text.match(/\p{Nd}+/gu) ?? [];
  const requestHash = hash("sha256", Buffer.concat([chatBytes(rest), Buffer.from(`\n${numbers.join(" ")}`)]), "base64url");
  return { text, partition: { tenant: key.id, requestHash } };
}

function isPlain(request: Readonly<ChatRequest>): boolean {
  return (
    request.tools.length === 0 &&
    request.toolChoice === undefined &&
    request.audio === undefined &&
    (request.n ?? 1) === 1 &&
    request.modalities.every((each) => each === "text") &&
    isKnown(request) &&
    request.messages.every((message) => message.role !== Role.TOOL && isKnown(message) && message.content.every(isPlainText))
  );
}

function isPlainText(part: ContentPart): boolean {
  return part.part.case === "text" && isKnown(part) && isKnown(part.part.value);
}

/** Whether nothing goes along that we do not understand: it might be a tool, or a picture. */
function isKnown({ $unknown, extensionsJson = {} }: Pick<ChatRequest, "$unknown"> & { readonly extensionsJson?: object }): boolean {
  return ($unknown?.length ?? 0) === 0 && Object.keys(extensionsJson).length === 0;
}

function withoutText(message: Message): Message {
  const content = message.content.map((part): ContentPart =>
    part.part.case === "text" ? { ...part, part: { case: "text", value: { ...part.part.value, text: "" } } } : part,
  );
  return { ...message, text: "", content };
}
