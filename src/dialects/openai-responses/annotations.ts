import type { Citation, TextPart } from "../../core/chat.ts";
import { codePoints } from "../../core/code-points.ts";
import { isJsonObject, type JsonObject } from "../../core/json-fields.ts";

/** A text's sources: those with a neutral form, and all of them as they came where some have none. */
export interface Sources {
  readonly citations: Citation[];
  /** Undefined: `citations` say all of it. */
  readonly verbatim: readonly unknown[] | undefined;
}

/** Reads an `annotations` array. */
export function decodeAnnotations(value: unknown): Sources {
  if (!Array.isArray(value) || value.length === 0) return { citations: [], verbatim: undefined };
  const citations = value.flatMap((each) => decodeAnnotation(each) ?? []);
  const isPlain = citations.length === value.length && value.every((each) => Object.keys(each).length === urlCitationKeys);
  return { citations, verbatim: isPlain ? undefined : value };
}

/** `type`, `url`, `title`, `start_index`, `end_index`. */
const urlCitationKeys = 5;

/** A `url_citation` as a citation; undefined for the other kinds, which name files of the vendor. */
export function decodeAnnotation(value: unknown): Citation | undefined {
  if (!isJsonObject(value) || value["type"] !== "url_citation" || typeof value["url"] !== "string") return undefined;
  const { url, title, start_index: start, end_index: end } = value;
  const citation: Citation = { $typeName: "semaroute.v1.Citation", url, title: typeof title === "string" ? title : "", citedText: "" };
  if (isOffset(start)) citation.start = start;
  if (isOffset(end)) citation.end = end;
  return citation;
}

function isOffset(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0;
}

/** The annotation of a citation; undefined for one without a URL, which this language cannot say. One without offsets is for the whole text. */
export function encodeCitation({ url, title, start, end }: Citation, text: string): JsonObject | undefined {
  if (url === "") return undefined;
  const end_index = end ?? start ?? codePoints(text);
  return { type: "url_citation", start_index: start ?? 0, end_index, url, title };
}

/** All annotations of a text: as they came, or made of its citations. */
export function encodeAnnotations(text: TextPart, own: JsonObject): readonly unknown[] {
  const { annotations } = own;
  return Array.isArray(annotations) ? annotations : text.citations.flatMap((citation) => encodeCitation(citation, text.text) ?? []);
}
