import type { Citation } from "../../core/chat.ts";
import { type Fields, isJsonObject, textAt } from "../../core/json-fields.ts";

/**
 * Sources of a candidate's text: what was searched for it (`groundingMetadata`) and what it quotes (`citationMetadata`). Both stay
 * whole in the choice's extensions, since they say more.
 */
export function citationsFrom(candidate: Fields, text: string): Citation[] {
  const found = [...grounded(candidate["groundingMetadata"]), ...quoted(candidate["citationMetadata"])];
  if (found.length === 0) return [];
  const places = placesOf(
    text,
    found.flatMap(({ span }) => (span === undefined ? [] : [span.start, span.end])),
  );
  return found.map(({ source, span }) => {
    const citation: Citation = { $typeName: "semaroute.v1.Citation", ...source };
    const [start, end] = [places.get(span?.start ?? -1), places.get(span?.end ?? -1)];
    // Offsets into another part say nothing here, and the words tell.
    if (
      start === undefined ||
      end === undefined ||
      (span?.text ?? text.slice(start.units, end.units)) !== text.slice(start.units, end.units)
    )
      return citation;
    return { ...citation, start: start.points, end: end.points };
  });
}

/** A source, and the bytes of the answer that it stands behind. */
interface Found {
  readonly source: { title: string; url: string; citedText: string };
  readonly span: { readonly start: number; readonly end: number; readonly text: string | undefined } | undefined;
}

function grounded(metadata: unknown): Found[] {
  if (!isJsonObject(metadata)) return [];
  const sources = listAt(metadata, "groundingChunks").map(sourceOf);
  const supports = listAt(metadata, "groundingSupports");
  // Searched, but not told for which words.
  if (supports.length === 0) return sources.flatMap((source) => (source === undefined ? [] : [{ source, span: undefined }]));
  return supports.flatMap((support) => {
    const segment = support["segment"];
    const indices = support["groundingChunkIndices"];
    const span = isJsonObject(segment) ? { ...spanOf(segment), text: textAt(segment, "text") || undefined } : undefined;
    return (Array.isArray(indices) ? indices : []).flatMap((index: unknown) => {
      const source = typeof index === "number" ? sources[index] : undefined;
      return source === undefined ? [] : [{ source, span }];
    });
  });
}

/** A page of the web, a place on the map, or a piece of a document. */
function sourceOf(chunk: Fields): Found["source"] | undefined {
  const inner = chunk["web"] ?? chunk["maps"] ?? chunk["retrievedContext"];
  return isJsonObject(inner) ? { title: textAt(inner, "title"), url: textAt(inner, "uri"), citedText: textAt(inner, "text") } : undefined;
}

/** The Gemini API and Vertex have different names for the list. */
function quoted(metadata: unknown): Found[] {
  if (!isJsonObject(metadata)) return [];
  return [...listAt(metadata, "citationSources"), ...listAt(metadata, "citations")].map((each) => ({
    source: { title: textAt(each, "title"), url: textAt(each, "uri"), citedText: "" },
    span: typeof each["endIndex"] === "number" ? { ...spanOf(each), text: undefined } : undefined,
  }));
}

/** A start of 0 is absent. */
function spanOf(fields: Fields): { start: number; end: number } {
  const [start, end] = [fields["startIndex"], fields["endIndex"]];
  return { start: typeof start === "number" ? start : 0, end: typeof end === "number" ? end : 0 };
}

/** Where in the text these offsets in bytes of UTF-8 are; those within a character or behind its end are not there. One pass. */
function placesOf(text: string, bytes: readonly number[]): ReadonlyMap<number, { readonly units: number; readonly points: number }> {
  const wanted = new Set(bytes);
  const places = new Map<number, { readonly units: number; readonly points: number }>();
  let [byte, units, points] = [0, 0, 0];
  for (const character of text) {
    if (wanted.has(byte)) places.set(byte, { units, points });
    byte += Buffer.byteLength(character);
    units += character.length;
    points++;
  }
  if (wanted.has(byte)) places.set(byte, { units, points });
  return places;
}

function listAt(fields: Fields, key: string): readonly Fields[] {
  const value = fields[key];
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}
