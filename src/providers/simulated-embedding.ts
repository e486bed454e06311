import type { Target } from "../core/catalog.ts";
import { type EmbedInput, type EmbedRequest, embedResponse, type EmbedResponse, usageOf } from "../core/chat.ts";
import { ChatError } from "../core/error.ts";
import { countTokens, tokenEnd } from "./simulated-tokens.ts";

const dimensionsDefault = 256;
/** As many as the largest models of vendors have. */
const dimensionsMax = 4096;

/** Places of a vector that one feature of a text moves. */
const placesPerFeature = 8;
/** What words, pairs of words and the text as a whole weigh: the last tells texts apart that have the same words. */
const weights = { word: 1, pair: 0.5, whole: 0.25 } as const;

/**
 * Vectors of length 1 that depend on the input alone: the same text has the same one, wherever and whenever it is embedded,
 * and texts that share words are near each other.
 */
export function simulatedEmbeddings(request: Readonly<EmbedRequest>, target: Target): EmbedResponse {
  const dimensions = request.dimensions ?? dimensionsDefault;
  if (dimensions > dimensionsMax) {
    const upstream = { status: 400, requestId: "" };
    throw new ChatError("INVALID_REQUEST", `dimensions must be at most ${dimensionsMax}`, {
      field: "dimensions",
      fromUpstream: true,
      upstream,
    });
  }
  const vectors = request.inputs.map((input) => vectorOf(wordsOf(input), dimensions));
  const tokens = request.inputs.reduce(
    (sum, { input }) => sum + (input.case === "text" ? countTokens(input.value) : idsOf(input).length),
    0,
  );
  return embedResponse(target.upstreamModel, vectors, usageOf(tokens, 0));
}

function idsOf(input: EmbedInput["input"]): readonly number[] {
  return input.case === "tokens" ? input.value.ids : [];
}

/** Hashes of the words, or of the tokens, in their order. */
function wordsOf({ input }: EmbedInput): number[] {
  if (input.case !== "text") return idsOf(input).map(mixed);
  const text = input.value.toLowerCase();
  const words: number[] = [];
  for (let at = 0; at < text.length;) {
    const end = tokenEnd(text, at);
    words.push(hashOf(text.slice(at, end).trim()));
    at = end;
  }
  return words;
}

function vectorOf(words: readonly number[], dimensions: number): number[] {
  const values = Array.from<number>({ length: dimensions }).fill(0);
  let whole = 0;
  let before = 0;
  for (const word of words) {
    move(values, word, weights.word);
    if (whole !== 0) move(values, mixed(before ^ Math.imul(word, 31)), weights.pair);
    before = word;
    whole = mixed(whole + word + 1);
  }
  move(values, whole, weights.whole);
  let squares = 0;
  for (const value of values) squares += value * value;
  const length = Math.sqrt(squares);
  // What cancelled itself out still points somewhere.
  if (length === 0) values[0] = 1;
  else for (let i = 0; i < dimensions; i++) values[i] = Math.fround((values[i] ?? 0) / length);
  return values;
}

function move(values: number[], feature: number, weight: number): void {
  let state = feature;
  for (let i = 0; i < placesPerFeature; i++) {
    state = mixed(state + 0x9e3779b9);
    const at = (state >>> 1) % values.length;
    values[at] = (values[at] ?? 0) + (state & 1 ? weight : -weight);
  }
}

function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return mixed(hash);
}

/** The mixing steps of MurmurHash3. */
function mixed(value: number): number {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}
