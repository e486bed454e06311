import { assert, property, string } from "fast-check";
import { expect, test } from "vitest";

import { countTokens, firstTokens, tokenEnd } from "../../src/providers/simulated-tokens.ts";

const split = (text: string): string[] => {
  const tokens: string[] = [];
  for (let at = 0; at < text.length;) {
    const end = tokenEnd(text, at);
    tokens.push(text.slice(at, end));
    at = end;
  }
  return tokens;
};

for (const { text, tokens } of [
  { text: "", tokens: [] },
  { text: "hello world", tokens: ["hello", " world"] },
  { text: "Hi, you!", tokens: ["Hi", ",", " you", "!"] },
  { text: "extraordinary", tokens: ["extraord", "inary"] },
  { text: "a \n\n b  ", tokens: ["a", " \n\n b", "  "] },
  { text: '{"a":1}', tokens: ["{", '"', "a", '"', ":", "1", "}"] },
  { text: "1234567😀", tokens: ["1234567😀"] },
]) {
  test(`${JSON.stringify(text)} is ${tokens.length} tokens`, () => {
    expect(split(text)).toEqual(tokens);
    expect(countTokens(text)).toBe(tokens.length);
  });
}

test("tokens are never empty, never half a character, and join to the text", () => {
  assert(
    property(string({ unit: "grapheme" }), (text) => {
      const tokens = split(text);
      expect(tokens.join("")).toBe(text);
      for (const token of tokens) {
        expect(token).not.toBe("");
        expect(token).not.toMatch(/\p{Surrogate}/u);
      }
    }),
  );
});

test("the first tokens end where the limit is", () => {
  expect(firstTokens("one two three", 2)).toEqual({ end: 7, tokens: 2 });
  expect(firstTokens("one two", 9)).toEqual({ end: 7, tokens: 2 });
  expect(firstTokens("one", 0)).toEqual({ end: 0, tokens: 0 });
});
