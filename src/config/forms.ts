/** JSON Schema of how a scalar may stand in the file: what editors check, and propose. */
export type Form = Readonly<Record<string, unknown>>;

/** Any scalar may be empty, which is not set, or ask for a variable, of which an editor knows nothing. */
const always = "^$|\\$\\{";

/** Whatever YAML makes of a text, the text is meant. */
export const textForm: Form = { type: ["string", "number", "boolean"] };

/** Text like the whole pattern; `also` are keywords about what YAML reads as a number or a boolean. */
export function patternForm(expected: string, pattern: RegExp, also: Form = {}): Form {
  return { type: ["string"], pattern: `${pattern.source}|${always}`, patternErrorMessage: `expected ${expected}`, ...also };
}

/** A number, quoted or not. What is infinite or as large as numbers get is no bound. */
export function numberForm(expected: string, type: "number" | "integer", min: number, max: number): Form {
  const bounds = { ...(min > -Infinity && { minimum: min }), ...(max < Number.MAX_SAFE_INTEGER && { maximum: max }) };
  return patternForm(expected, numberText, { type: [type, "string"], ...bounds });
}

/** One of a few words, as YAML reads them; quoted ones match by the pattern. */
export function wordsForm(words: readonly string[]): Form {
  const read = words.map((word) => (word === "true" ? true : word === "false" ? false : numberText.test(word) ? Number(word) : word));
  return { anyOf: [{ enum: read }, { type: ["string", "null"], pattern: `^(?:${words.join("|")})$|${always}` }] };
}

/** How a number is written. */
export const numberText = /^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/;
