import { ChatError } from "./error.ts";
import { isKey, stringEnd } from "./json-text.ts";

/** Longest piece of a key that an error tells; keys are names, but callers choose them. */
const keyLengthMax = 64;
/** Most keys of one object. */
const keysMax = 100_000;
/** Longest path that an error tells. */
const pathLengthMax = 200;

/** A container that is being read. */
interface Open {
  /** Undefined: an array. */
  readonly keys: Set<string> | undefined;
  /** Of the value that is being read: the key in an object, the index in an array. */
  at: string | number;
}

/**
 * Refuses keys that mean one thing to one reader and another to the next: a key that its object has twice, of which most
 * parsers keep the last and some the first; `__proto__`; and `prototype` within `constructor`, by which careless copies
 * reach what all objects share. The exact look, for a text in which the quick one (`refuseExcess`) saw something that may
 * be such a key; what is no JSON is left to its parser. The error names the place, and never a value.
 */
export function refuseKeys(text: string): void {
  const open: Open[] = [];
  for (let i = 0; i < text.length; i++) {
    const inner = open.at(-1);
    switch (text[i]) {
      case "{":
        open.push({ keys: new Set(), at: "" });
        break;
      case "[":
        open.push({ keys: undefined, at: 0 });
        break;
      case "}":
      case "]":
        open.pop();
        break;
      case ",":
        if (typeof inner?.at === "number") inner.at++;
        break;
      case '"': {
        const end = stringEnd(text, i);
        if (inner?.keys !== undefined && isKey(text, end)) refuseKey(keyFrom(text.slice(i + 1, end)), open, inner.keys);
        i = end;
        break;
      }
      default:
    }
  }
}

function refuseKey(key: string, open: readonly Open[], keys: Set<string>): void {
  const inner = open.at(-1);
  const around = open.at(-2)?.at;
  if (inner !== undefined) inner.at = key;
  if (keys.has(key)) throw refused("has a key twice", open);
  if (key === "__proto__" || (key === "prototype" && around === "constructor")) throw refused("has a key that is not allowed", open);
  if (keys.size === keysMax) throw refused(`has an object of more than ${keysMax} keys`, open.slice(0, -1));
  keys.add(key);
}

function refused(what: string, open: readonly Open[]): ChatError {
  const field = pathOf(open);
  return new ChatError("INVALID_REQUEST", `the body's JSON ${what}: ${field}`, { field });
}

/** Two spellings of one key are one key. */
function keyFrom(written: string): string {
  if (!written.includes("\\")) return written;
  try {
    return String(JSON.parse(`"${written}"`));
  } catch {
    return written;
  }
}

/** Such as `messages[0].role`. */
function pathOf(open: readonly Open[]): string {
  let path = "";
  for (const { at } of open) {
    path += typeof at === "number" ? `[${at}]` : `${path === "" ? "" : "."}${shownKey(at)}`;
    if (path.length > pathLengthMax) return `${path.slice(0, pathLengthMax)}…`;
  }
  return path;
}

/** Visible ASCII as it is, all else escaped; never half of a surrogate pair. */
function shownKey(key: string): string {
  const cut = key.length > keyLengthMax ? `${key.slice(0, keyLengthMax)}…` : key;
  return cut.replace(/[^ -~…]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
