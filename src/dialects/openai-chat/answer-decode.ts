import { decodeBase64 } from "../../core/base64.ts";
import type { AudioPart, Citation } from "../../core/chat.ts";
import { isJsonObject, type JsonObject } from "../../core/json-fields.ts";
import { media } from "../../core/media.ts";
import { plainText } from "./opaque.ts";

// Pieces that whole answers and streams have in common.

/** The `url_citation`s of an `annotations` array; others have no neutral form. */
export function decodeCitations(value: unknown): Citation[] {
  if (!Array.isArray(value)) return [];
  const citations: Citation[] = [];
  for (const each of value) {
    const inner = isJsonObject(each) ? each["url_citation"] : undefined;
    if (!isJsonObject(inner) || typeof inner["url"] !== "string") continue;
    const { url, title, start_index: start, end_index: end, content } = inner;
    citations.push({
      $typeName: "semaroute.v1.Citation",
      url,
      title: typeof title === "string" ? title : "",
      citedText: typeof content === "string" ? content : "",
      start: offset(start),
      end: offset(end),
    });
  }
  return citations;
}

/** What `decodeCitations` leaves out. */
function otherAnnotations(value: unknown): unknown[] {
  if (!Array.isArray(value)) return [];
  return value.filter(
    (each) => !isJsonObject(each) || !isJsonObject(each["url_citation"]) || typeof each["url_citation"]["url"] !== "string",
  );
}

/** Extra fields, and annotations that are extra. */
export function withAnnotations(extra: JsonObject | undefined, annotations: unknown): JsonObject | undefined {
  const others = otherAnnotations(annotations);
  return others.length === 0 ? extra : { ...extra, annotations: others };
}

function offset(value: unknown): number | undefined {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 ? value : undefined;
}

/** Texts in a message's or a delta's content: a string, or Mistral's array of chunks, where thinking is one kind. */
export function textsOf(content: unknown): { readonly reasoning: string; readonly content: string } {
  if (typeof content === "string") return { reasoning: "", content };
  if (!Array.isArray(content)) return { reasoning: "", content: "" };
  let reasoning = "";
  let text = "";
  for (const part of content) {
    if (!isJsonObject(part)) continue;
    if (part["type"] === "thinking") reasoning += plainText(part["thinking"]);
    else if (typeof part["text"] === "string") text += part["text"];
  }
  return { reasoning, content: text };
}

/** Generated sound, whole or its first fragment; the wire does not say its format. */
export function audioPart(audio: JsonObject): AudioPart {
  const { id, data, transcript, expires_at: expires } = audio;
  const bytes = (typeof data === "string" ? decodeBase64(data) : undefined) ?? new Uint8Array();
  const part: AudioPart = {
    $typeName: "semaroute.v1.AudioPart",
    media: media({ case: "data", value: bytes }, "", ""),
    transcript: typeof transcript === "string" ? transcript : "",
    audioId: typeof id === "string" ? id : "",
  };
  if (typeof expires === "number" && Number.isFinite(expires))
    part.expireTime = { $typeName: "google.protobuf.Timestamp", seconds: BigInt(Math.floor(expires)), nanos: 0 };
  return part;
}
