import { ChatError } from "./error.ts";

/** Deepest nesting of a caller's JSON (docs/protocols.md). */
const depthMax = 64;
/** 2^53 has sixteen. */
const digitsMax = 16;
/** Most values in a caller's JSON. */
const nodesMax = 1_000_000;

/**
 * JSON.parse that loses no digits: an integer beyond 2^53 becomes a raw JSON value, which JSON.stringify writes out as it
 * came. Tool arguments and schemas hold such ids. Texts without a long run of digits take the plain way.
 */
export function parseJson(text: string): unknown {
  if (!/\d{16}/.test(text)) return JSON.parse(text);
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

/** `parseJson` for what callers send: bad JSON, too deep or too much of it is INVALID_REQUEST. */
export function parseCallerJson(text: string): unknown {
  const long = refuseExcess(text);
  try {
    return long ? JSON.parse(text, keepDigits) : JSON.parse(text);
  } catch (cause) {
    // V8's message quotes the text around the fault, which may be a prompt: only its position is passed on.
    const at = cause instanceof SyntaxError ? /at position \d+( \(line \d+ column \d+\))?/.exec(cause.message)?.[0] : undefined;
    throw new ChatError("INVALID_REQUEST", `the body is not valid JSON${at === undefined ? "" : ` ${at}`}`);
  }
}

/**
 * Refuses JSON that is too deep or too much before anyone spends memory on it. What is no JSON at all is left to its
 * parser. Returns whether a number has so many digits that a double may not hold it.
 */
export function refuseExcess(text: string): boolean {
  let depth = 0;
  let digits = 0;
  let long = false;
  // The root; further on, one value a comma and one for each container that is not empty.
  let nodes = 1;
  let opened = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    digits = code >= 0x30 && code <= 0x39 ? digits + 1 : 0;
    if (digits === digitsMax) long = true;
    if (opened && code > 0x20) {
      opened = false;
      if (code !== 0x5d && code !== 0x7d) nodes++;
    }
    switch (code) {
      case quote:
        i = stringEnd(text, i);
        break;
      case 0x5b: // [
      case 0x7b: // {
        opened = true;
        depth++;
        if (depth > depthMax) throw new ChatError("INVALID_REQUEST", `the body's JSON is nested deeper than ${depthMax}`);
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
  if (nodes > nodesMax) throw new ChatError("INVALID_REQUEST", `the body has more than ${nodesMax} JSON values`);
  return long;
}

const quote = 0x22;
const backslash = 0x5c;

/** Where the string that begins at `start` ends. Prompts are long, and `indexOf` is much faster than a look at each character. */
function stringEnd(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    let escapes = 0;
    while (text.charCodeAt(at - 1 - escapes) === backslash) escapes++;
    if (escapes % 2 === 0) return at;
  }
  return text.length;
}
