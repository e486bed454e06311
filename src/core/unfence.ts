/** Takes a Markdown fence off a text that comes in pieces. */
export interface Unfencer {
  /** As much as is known to belong to the text. */
  push(text: string): string;
  /** What was held back, once the text is over. */
  end(): string;
}

const opening = /^\s*```(?:json)?[ \t]*\r?\n/i;
/** What may still become an opening line. */
const opens = /^\s*(?:`{0,2}|```(?:j|js|jso|json)?[ \t]*\r?)$/i;
/** What may still become the closing line, and the end. */
const closes = /\s*`{0,3}\s*$/;

/**
 * For JSON that a model was asked for in words: it likes to put a fence around it. Only a fence around the whole text is taken
 * off; a text that does not begin with one is passed on as it comes.
 */
export function createUnfencer(): Unfencer {
  let state: "start" | "inside" | "plain" = "start";
  let held = "";
  const inside = (text: string): string => {
    held += text;
    const at = closes.exec(held)?.index ?? held.length;
    const sure = held.slice(0, at);
    held = held.slice(at);
    return sure;
  };
  return {
    push(text) {
      if (state === "plain") return text;
      if (state === "inside") return inside(text);
      held += text;
      if (opens.test(held)) return "";
      const found = opening.exec(held);
      const all = held;
      held = "";
      state = found === null ? "plain" : "inside";
      return found === null ? all : inside(all.slice(found[0].length));
    },
    end() {
      const rest = held;
      held = "";
      return state === "inside" && /^\s*```\s*$/.test(rest) ? "" : rest;
    },
  };
}

/** A whole text without the fence around it. */
export function unfenced(text: string): string {
  const unfencer = createUnfencer();
  return unfencer.push(text) + unfencer.end();
}
