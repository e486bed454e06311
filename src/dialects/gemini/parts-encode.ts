import type { ContentPart, DocumentPart, ServerToolPart } from "../../core/chat.ts";
import { ChatError } from "../../core/error.ts";
import { callerObject, type Fields, mergedFields } from "../../core/json-fields.ts";
import { wordsAbout } from "../../core/media.ts";
import type { Encoding } from "./encoding.ts";
import { extensionFields, issuer } from "./fields.ts";
import { documentData, imageData, timedData } from "./media.ts";
import { signatureOf } from "./signatures.ts";

/** Where a part stands. */
export type Place = "system" | "user" | "model" | "result";

/** The case of a part that is neither a call nor a result, which belong to their turn. */
type Plain = Exclude<ContentPart["part"], { case: "toolCall" | "toolResult" }>;

/** The parts that say it at Google; none for empty text and for what is dropped with a note. */
export function encodePart(part: ContentPart, inner: Plain, place: Place, path: string, encoding: Encoding): readonly Fields[] {
  noteLosses(part, path, encoding);
  const parts = ownParts(part, inner, place, path, encoding);
  const last = parts.at(-1);
  if (last === undefined || inner.case === "native") return parts;
  return [...parts.slice(0, -1), signed(part, last, place, path)];
}

/** With the part's own signature, which goes back on the very part it came on, and what only Google knows of it. */
export function signed(part: ContentPart, fields: Fields, place: Place, path: string): Fields {
  const signature = place === "model" ? signatureOf(part) : undefined;
  const own = signature === undefined ? fields : { ...fields, thoughtSignature: signature };
  return mergedFields(extensionFields(part.extensionsJson, path), own);
}

/** What is on the part and goes nowhere. */
export function noteLosses(part: ContentPart, path: string, { notes }: Encoding): void {
  if (part.cacheControl !== undefined) notes.dropped(`${path}.cache_control`, "gemini caches by itself");
}

function ownParts(part: ContentPart, inner: Plain, place: Place, path: string, encoding: Encoding): readonly Fields[] {
  const { notes } = encoding;
  switch (inner.case) {
    case "text":
      return inner.value.text === "" && (place !== "model" || signatureOf(part) === undefined) ? [] : [{ text: inner.value.text }];
    case "refusal":
      return inner.value.text === "" ? [] : [{ text: inner.value.text }];
    case "image":
    case "audio":
    case "video":
    case "document":
      return mediaParts(inner, place, path, encoding);
    case "reasoning":
      if (place !== "model") return [];
      if (signatureOf(part) !== undefined) return [{ text: inner.value.text, thought: true }];
      notes.dropped(`${path}.reasoning`, "only thoughts that google signed can be replayed");
      return [];
    case "serverTool":
      return serverTool(inner.value, path, encoding);
    case "native":
      if (inner.value.issuer === issuer) return [callerObject(inner.value.json, `${path}.native.json`)];
      notes.dropped(`${path}.native`, "parts of another vendor cannot be replayed at gemini");
      return [];
    case undefined:
      throw new ChatError("INVALID_REQUEST", "a content part is empty", { field: path });
    default:
      return inner satisfies never;
  }
}

function serverTool(tool: ServerToolPart, path: string, { notes }: Encoding): readonly Fields[] {
  const whose =
    tool.issuer === issuer
      ? "tools that ran at google are replayed as native parts only"
      : "server tools of another vendor cannot be replayed at gemini";
  notes.dropped(`${path}.server_tool`, whose);
  return [];
}

type MediaCase = Extract<ContentPart["part"], { case: "image" | "document" | "audio" | "video" }>;

function mediaParts(inner: MediaCase, place: Place, path: string, encoding: Encoding): readonly Fields[] {
  const field = `${path}.${inner.case}`;
  if (place === "system") throw new ChatError("UNSUPPORTED_FEATURE", `gemini takes no ${inner.case} in instructions`, { field });
  if (place === "model" && inner.case !== "image") {
    if (inner.case === "audio" && inner.value.transcript !== "") return [{ text: inner.value.transcript }];
    encoding.notes.dropped(field, `gemini takes no ${inner.case} from the model`);
    return [];
  }
  if (inner.case === "document") return documentParts(inner.value, field, encoding);
  return [inner.case === "image" ? imageData(inner.value.media, field) : timedData(inner.value.media, field)];
}

/** What is said about a document has no place of its own, so it goes in front of it. */
function documentParts(document: DocumentPart, path: string, { notes }: Encoding): readonly Fields[] {
  if (document.citations) notes.dropped(`${path}.citations`, "gemini cites what it searched, not what it was given");
  const data = documentData(document, path);
  const about = wordsAbout(document, "", path, notes);
  return about === "" ? [data] : [{ text: about }, data];
}
