import { inspect } from "node:util";
import { describe, expect, test } from "vitest";

import { ChatError } from "../../src/core/error.ts";
import { integerText, parseCallerJson, parseJson } from "../../src/core/json.ts";

describe("integers", () => {
  for (const text of [
    "9007199254740991",
    "9007199254740992",
    "9007199254740993",
    "-9007199254740993",
    "123456789012345678901234567890",
    "1234567890123456",
    "0",
    "-1",
  ]) {
    test(`${text} survives both ways, at any depth`, () => {
      for (const json of [text, `{"id":${text}}`, `[1,[${text},"${text}"]]`]) {
        expect(JSON.stringify(parseJson(json))).toBe(json);
        expect(JSON.stringify(parseCallerJson(json))).toBe(json);
      }
      expect(integerText(parseJson(text))).toBe(text);
    });
  }

  test("safe ones stay numbers", () =>
    expect(parseJson(`[9007199254740991,"9007199254740993"]`)).toEqual([9007199254740991, "9007199254740993"]));

  for (const value of [1.5, Number.NaN, Number.POSITIVE_INFINITY, "1", null, undefined, {}, [], { rawJSON: 1 }]) {
    test(`${JSON.stringify(value)} is none`, () => expect(integerText(value)).toBeUndefined());
  }

  test("fractions and exponents with many digits are numbers as ever", () => {
    const text = "[0.12345678901234567,1e400,1234567890123456e1,-0.0]";
    expect(parseJson(text)).toEqual(JSON.parse(text));
  });
});

/** A value in so many arrays, or objects. */
const nested = (depth: number, [open, close]: readonly [string, string], inside = ""): string =>
  open.repeat(depth) + inside + close.repeat(depth);
const tooDeep = expect.objectContaining({ failure: "INVALID_REQUEST", message: "the body's JSON is nested deeper than 64" });
const tooMuch = expect.objectContaining({ failure: "INVALID_REQUEST", message: "the body has more than 1000000 JSON values" });

describe("a caller's JSON", () => {
  for (const [what, pair, inside] of [
    ["arrays", ["[", "]"], ""],
    ["arrays around a value", ["[", "]"], "1"],
    ["objects", ['{"a":', "}"], "1"],
  ] as const) {
    test(`may be nested 64 ${what} deep, and not 65`, () => {
      expect(() => parseCallerJson(nested(64, pair, inside))).not.toThrow();
      expect(() => parseCallerJson(nested(65, pair, inside))).toThrow(tooDeep);
      expect(() => parseCallerJson(`[${nested(64, pair, inside)}]`)).toThrow(tooDeep);
      expect(() => parseCallerJson(nested(100_000, pair, inside))).toThrow(tooDeep);
    });
  }

  test("brackets in strings are text, escaped quotes included", () => {
    const text = JSON.stringify({ a: "[".repeat(200), [`"${"{".repeat(200)}\\`]: '\\"[[[\\\\' });
    expect(parseCallerJson(text)).toEqual(JSON.parse(text));
  });

  for (const [what, build] of [
    [
      "numbers",
      (n: number) =>
        `[${Array(n - 1)
          .fill("1")
          .join(",")}]`,
    ],
    [
      "strings with commas",
      (n: number) =>
        `[${Array(n - 1)
          .fill('","')
          .join(",")}]`,
    ],
    [
      "fields",
      (n: number) =>
        `{${Array(n - 1)
          .fill('"a":1')
          .join(",")}}`,
    ],
  ] as const) {
    test(`may hold a million ${what}, itself included, and not many more`, () => {
      expect(() => parseCallerJson(build(1_000_000))).not.toThrow();
      expect(() => parseCallerJson(build(1_000_100))).toThrow(tooMuch);
    });
  }

  for (const text of ["", "{", '{"prompt": "a secret" oops', '["a secret",]', "a secret", '{"a": NaN, "b": "a secret"}', '"a secret']) {
    test(`that is none is refused without quoting it: ${JSON.stringify(text)}`, () => {
      let thrown: unknown;
      try {
        parseCallerJson(text);
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toBeInstanceOf(ChatError);
      expect(thrown).toMatchObject({
        failure: "INVALID_REQUEST",
        message: expect.stringMatching(/^the body is not valid JSON( at position \d+( \(line \d+ column \d+\))?)?$/),
      });
      expect(inspect(thrown)).not.toContain("a secret");
    });
  }
});
