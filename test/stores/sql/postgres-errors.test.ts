import { describe, expect, test } from "vitest";
import { wordsOf } from "../../../src/stores/sql/postgres-errors.ts";

describe("why a database is away is told in words", () => {
  test.each([
    { code: "ECONNREFUSED", words: "nobody listens there" },
    { code: "ECONNRESET", words: "it broke the connection off" },
    { code: "EHOSTUNREACH", words: "it cannot be reached" },
    { code: "28P01", words: "it refuses the user or the password" },
    { code: "57P03", words: "it is going down or coming up" },
    { code: "XX000", words: "it says XX000" },
  ])("$code", ({ code, words }) => {
    expect(wordsOf(Object.assign(new Error('a text with "secret"'), { code }))).toBe(words);
  });
});
