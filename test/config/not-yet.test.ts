import { describe, expect, test } from "vitest";

import { problemsOf } from "./workspace.ts";

describe("a part that this build has not is refused:", () => {
  test.for([{ text: "cache: {semantic: {enabled: true}}", path: "cache.semantic.enabled" }])("$text", ({ text, path }) => {
    const lines = problemsOf(text);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/ is not part of this build yet$/);
    expect(lines[0]?.split(" ")[1]).toBe(`${path}:`);
  });
});

test("a part that this build has not may be named where it is switched off", () => {
  expect(
    problemsOf(
      "cache: {semantic: {enabled: false}}\nstore: {url: 'sqlite:x.db', retention: {decisions: 7d, ledger: 400d}}\nserver: {workers: 1}\n",
    ),
  ).toEqual([]);
});
