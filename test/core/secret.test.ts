import { format, inspect } from "node:util";
import { expect, test } from "vitest";

import { Secret } from "../../src/core/secret.ts";

const secret = new Secret("sk-very-secret", "env:OPENAI_API_KEY");

for (const [how, shown] of [
  ["String", String(secret)],
  ["concatenation", "".concat(String(secret))],
  ["JSON", JSON.stringify({ secret, list: [secret] })],
  ["inspect", inspect({ secret }, { showHidden: true, depth: 9 })],
  ["format", format("%s %o %j", secret, secret, secret)],
  ["its keys", JSON.stringify(Object.entries(secret))],
  ["a copy", JSON.stringify(Object.assign({}, secret))],
] as const) {
  test(`${how} does not show it`, () => expect(shown).not.toContain("very"));
}

test("its source may be shown, and it can be had by asking", () => {
  expect(secret.source).toBe("env:OPENAI_API_KEY");
  expect(secret.reveal()).toBe("sk-very-secret");
});
