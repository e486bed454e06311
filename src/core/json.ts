import { ChatError } from "./error.ts";
import { refuseKeys } from "./json-keys.ts";
import { isEscaped, isKey, stringEnd } from "./json-text.ts";

/** Most of what one message of a caller may have, as JSON or binary (docs/protocols.md). */
export const callerBounds = {
  /** Levels of nesting. */
  depth: 64,
  values: 1_000_000,
  /** JSON values where one of them is an integer beyond 2^53: to keep its digits costs ten times as much for every value beside it. */
  valuesBesideLongIntegers: 100_000,
  /** JSON objects, and keys of one; binary, messages and map entries. Each costs what hundreds of bytes do. */
  objects: 100_000,
} as const;

const { depth: depthMax, values: nodesMax, valuesBesideLongIntegers, objects: objectsMax } = callerBounds;
/** 2^53 has sixteen. */
const digitsMax = 16;
/** So many that are no fraction: those of embeddings mostly have as many. */
const longDigits = /(?<![\d.])\d{16}/;

/**
 * JSON.parse that loses no digits: an integer beyond 2^53 becomes a raw JSON value, which JSON.stringify writes out as it
 * came. Tool arguments and schemas hold such ids. Texts without a long run of digits take the plain way.
 */
export function parseJson(text: string): unknown {
  if (!longDigits.test(text)) return JSON.parse(text);
  return JSON.parse(text, keepDigits);
}

declare global {
  // ECMAScript's "JSON.parse source text access", in V8 since 11.4; TypeScript's library does not know it yet.
  interface JSON {
    rawJSON(text: string): object;
  }
}

function keepDigits(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== "number" || Number.isSafeInteger(value) || context?.source === undefined || !/^-?\d+$/.test(context.source))
    return value;
  return JSON.rawJSON(context.source);
}

/** The digits of an integer that `parseJson` may have kept raw; undefined for anything else. */
export function integerText(value: unknown): string | undefined {
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : undefined;
  if (typeof value !== "object" || value === null || !("rawJSON" in value)) return undefined;
  return typeof value.rawJSON === "string" ? value.rawJSON : undefined;
}

/** `parseJson` for what callers send: bad JSON, and what is too much or means two things, is INVALID_REQUEST. */
export function parseCallerJson(text: string): unknown {
  const unusual = refuseExcess(text);
  try {
    return unusual ? JSON.parse(text, keepDigits) : JSON.parse(text);
  } catch (cause) {
    if (cause instanceof ChatError) throw cause;
    // V8's message quotes the text around the fault, which may be a prompt: only its position is passed on.
    const at = cause instanceof SyntaxError ? /at position \d+( \(line \d+ column \d+\))?/.exec(cause.message)?.[0] : undefined;
    throw new ChatError("INVALID_REQUEST", `the body is not valid JSON${at === undefined ? "" : ` ${at}`}`);
  }
}

const quote = 0x22;
const backslash = 0x5c;
/** Keys of one object that are compared with each other; an object with more is looked at exactly. */
const keysMax = 32;

/** Hashes of the keys of the object that is being read, at each depth. One pass at a time uses them. */
const keyHashes = new Int32Array((depthMax + 1) * keysMax);
const keyCounts = new Int32Array(depthMax + 1);

/**
 * Refuses JSON that is too deep or too much before anyone spends memory on it, halves of characters, and keys that are
 * ambiguous or unsafe (`refuseKeys`); and numbers that a double does not reach. What is no JSON at all is left to its parser.
 * Returns whether it holds an integer whose digits a double loses.
 */
export function refuseExcess(text: string): boolean {
  let depth = 0;
  let digits = 0;
  let unusual = false;
  let doubtful = false;
  // The root; further on, one value a comma and one for each container that is not empty.
  let nodes = 1;
  let opened = false;
  let objects = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x30 && code <= 0x39) {
      digits++;
    } else if (digits > 0) {
      // An exponent: true and false have no digit before their e.
      if (digits >= digitsMax || code === 0x65 || code === 0x45) {
        const end = numberEnd(text, i);
        if (isLongInteger(text, i - digits, end)) unusual = true;
        // The rest of it is judged already.
        i = end - 1;
        digits = 0;
        continue;
      }
      digits = 0;
    }
    if (opened && code > 0x20) {
      opened = false;
      if (code !== 0x5d && code !== 0x7d) nodes++;
    }
    switch (code) {
      case quote: {
        const end = stringEnd(text, i);
        if (!doubtful && isKey(text, end)) doubtful = isDoubtfulKey(text, i + 1, end, depth);
        i = end;
        break;
      }
      case 0x5b: // [
      case 0x7b: // {
        opened = true;
        if (code === 0x7b) objects++;
        depth++;
        if (depth > depthMax) throw new ChatError("INVALID_REQUEST", `the body's JSON is nested deeper than ${depthMax}`);
        keyCounts[depth] = 0;
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth--;
        break;
      case 0x2c: // ,
        nodes++;
        break;
      default:
    }
  }
  if (digits >= digitsMax && isLongInteger(text, text.length - digits, text.length)) unusual = true;
  if (objects > objectsMax) throw new ChatError("INVALID_REQUEST", `the body has more than ${objectsMax} JSON objects`);
  if (nodes > nodesMax) throw new ChatError("INVALID_REQUEST", `the body has more than ${nodesMax} JSON values`);
  if (unusual && nodes > valuesBesideLongIntegers) {
    const bound = `more than ${valuesBesideLongIntegers} JSON values, and an integer beyond 2^53 among them`;
    throw new ChatError("INVALID_REQUEST", `the body has ${bound}`);
  }
  if (doubtful) refuseKeys(text);
  refuseHalfCharacters(text);
  return unusual;
}

/** Where the number ends of which there are digits before `from`. */
function numberEnd(text: string, from: number): number {
  let end = from;
  while (isOfNumber(text.charCodeAt(end))) end++;
  return end;
}

/** A digit, a sign, a dot, or the letter of an exponent. */
function isOfNumber(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || code === 0x2b || code === 0x2d || code === 0x2e || code === 0x65 || code === 0x45;
}

/** Judges the number that has digits from `begin` on: refuses one beyond all doubles, and tells whether it is an integer that one does not hold. */
function isLongInteger(text: string, begin: number, end: number): boolean {
  let from = begin;
  while (from > 0 && isOfNumber(text.charCodeAt(from - 1))) from--;
  const written = text.slice(from, end);
  const value = Number(written);
  if (/^-?\d+$/.test(written)) return !Number.isSafeInteger(value);
  if (value === Infinity || value === -Infinity) throw new ChatError("INVALID_REQUEST", "the body's JSON has a number that is too large");
  return false;
}

/** Whether a key may be one that must not be; false is certain. Remembers it for the next ones of its object. */
function isDoubtfulKey(text: string, begin: number, end: number, depth: number): boolean {
  let hash = 0;
  for (let i = begin; i < end; i++) {
    const code = text.charCodeAt(i);
    // Another spelling of some key.
    if (code === backslash) return true;
    hash = (Math.imul(hash, 31) + code) | 0;
  }
  const count = keyCounts[depth] ?? 0;
  if (count === keysMax || hash === protoHash || hash === prototypeHash) return true;
  const first = depth * keysMax;
  for (let i = first; i < first + count; i++) if (keyHashes[i] === hash) return true;
  keyHashes[first + count] = hash;
  keyCounts[depth] = count + 1;
  return false;
}

const protoHash = hashOf("__proto__");
const prototypeHash = hashOf("prototype");

function hashOf(key: string): number {
  let hash = 0;
  for (let i = 0; i < key.length; i++) hash = (Math.imul(hash, 31) + key.charCodeAt(i)) | 0;
  return hash;
}

/** Half of a surrogate pair is no character, and has no UTF-8: what one reader keeps the next replaces or refuses. */
function refuseHalfCharacters(text: string): void {
  const first = text.indexOf("\\u");
  if (first < 0) return;
  const escape = /\\u[dD][89a-fA-F]/g;
  escape.lastIndex = first;
  // Where the other half has to be.
  let due = -1;
  for (let found = escape.exec(text); found !== null; found = escape.exec(text)) {
    const { index } = found;
    if (isEscaped(text, index)) continue;
    // 8, 9, a and b; in either case, for that is one bit.
    const digit = text.charCodeAt(index + 3) | 0x20;
    const isHigh = digit <= 0x62;
    if (isHigh ? due >= 0 : due !== index) throw halfCharacter();
    due = isHigh ? index + 6 : -1;
  }
  if (due >= 0) throw halfCharacter();
}

function halfCharacter(): ChatError {
  return new ChatError("INVALID_REQUEST", "the body's JSON has half of a surrogate pair, which is no character");
}
