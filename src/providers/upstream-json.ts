import { ChatError } from "../core/error.ts";
import { parseJson } from "../core/json.ts";
import { stringEnd } from "../core/json-text.ts";

/** Deepest nesting of an upstream's JSON. Answers are ten deep; what walks over them must not run out of stack. */
const depthMax = 256;

/** JSON of an upstream's answer; anything else, and JSON that is nested too deep, is UPSTREAM_PROTOCOL. Default: no digit is lost. */
export function parseUpstreamJson(text: string, who: string, parse: (text: string) => unknown = parseJson): unknown {
  refuseDeep(text, who);
  try {
    return parse(text);
  } catch {
    // The parser's message quotes the answer's text.
    const what = /^\s*</.test(text) ? "answered with a web page" : "sent an answer that is not valid JSON";
    throw new ChatError("UPSTREAM_PROTOCOL", `${who} ${what}`);
  }
}

/** Refuses JSON that is nested too deep, before anything recurses over it. */
export function refuseDeep(text: string, who: string): void {
  // Shorter texts, which events are, cannot be as deep and whole.
  if (text.length < 2 * depthMax) return;
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x22) i = stringEnd(text, i);
    else if (code === 0x5b || code === 0x7b) {
      if (++depth > depthMax) throw new ChatError("UPSTREAM_PROTOCOL", `${who} sent JSON that is nested deeper than ${depthMax}`);
    } else if (code === 0x5d || code === 0x7d) depth--;
  }
}
