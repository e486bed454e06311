import { ChatError } from "./error.ts";

/** Deepest nesting of a caller's JSON (contract, 2: server.max_body). */
const depthMax = 64;
/** Most values in a caller's JSON. */
const nodesMax = 1_000_000;
/** Below this many characters a text cannot hold `nodesMax` values. */
const scanFrom = 2 * nodesMax;

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
  if (text.length >= scanFrom) refuseNodes(text);
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (cause) {
    // V8's message quotes the text around the fault, which may be a prompt: only its position is passed on.
    const at = cause instanceof SyntaxError ? /at position \d+( \(line \d+ column \d+\))?/.exec(cause.message)?.[0] : undefined;
    throw new ChatError("INVALID_REQUEST", `the body is not valid JSON${at === undefined ? "" : ` ${at}`}`);
  }
  refuseDepth(value);
  return value;
}

function refuseNodes(text: string): void {
  let nodes = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 34) inString = !inString;
    else if (inString) {
      if (c === 92) i++;
    } else if (c === 44 || c === 91 || c === 123) nodes++;
  }
  if (nodes > nodesMax) throw new ChatError("INVALID_REQUEST", `the body has more than ${nodesMax} JSON values`);
}

function refuseDepth(root: unknown): void {
  let level: unknown[] = [root];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth >= depthMax && level.some((value) => typeof value === "object" && value !== null))
      throw new ChatError("INVALID_REQUEST", `the body's JSON is nested deeper than ${depthMax}`);
    const below: unknown[] = [];
    for (const value of level) {
      if (typeof value !== "object" || value === null) continue;
      for (const each of Array.isArray(value) ? value : Object.values(value))
        if (typeof each === "object" && each !== null) below.push(each);
    }
    level = below;
  }
}
