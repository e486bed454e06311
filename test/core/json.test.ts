import { describe, expect, test } from "vitest";
import { parseCallerJson, refuseExcess } from "../../src/core/json.ts";

const nested = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);

describe("callers' JSON", () => {
  test("may have 64 levels and no more", () => {
    expect(parseCallerJson(nested(64))).toBeInstanceOf(Array);
    expect(() => parseCallerJson(nested(65))).toThrow("nested deeper than 64");
    expect(() => parseCallerJson(`${'{"a":'.repeat(65)}1${"}".repeat(65)}`)).toThrow("nested deeper than 64");
  });
  test("is refused by its depth before it is found to be no JSON", () => {
    expect(() => parseCallerJson("[".repeat(1_000_000))).toThrow("nested deeper than 64");
  });
  test("may have as many siblings as values", () => {
    expect(parseCallerJson(`[${Array(100).fill(nested(60)).join(",")}]`)).toHaveLength(100);
    expect(() => parseCallerJson(`[${"1,".repeat(1_000_000)}1]`)).toThrow("more than 1000000 JSON values");
  });
  test.each(["[".repeat(99), '\\"'.repeat(99) + "[".repeat(99), "\\".repeat(98), "\\u005b,{".repeat(2_000)])(
    "a string's own brackets and commas are its own: %s",
    (text) => {
      const inside = JSON.stringify(text);
      expect(parseCallerJson(`{"a":${inside},"b":[${inside}]}`)).toEqual({ a: text, b: [text] });
    },
  );
  test("that breaks off in a string is found by its parser, without being quoted", () => {
    refuseExcess('{"a":"[[[');
    expect(() => parseCallerJson('{"a":"a secret')).toThrow(/^the body is not valid JSON at position 14/);
  });
});
