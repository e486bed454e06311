import { format, inspect } from "node:util";
import { serialize } from "node:v8";
import { expect, test } from "vitest";

import { Secret } from "../../src/core/secret.ts";

const secret = new Secret("sk-very-secret", "env:OPENAI_API_KEY");

for (const [how, shown] of [
  ["String", String(secret)],
  ["concatenation", "".concat(String(secret))],
  ["JSON", JSON.stringify({ secret, list: [secret] })],
  ["inspect", inspect({ secret }, { showHidden: true, depth: 9 })],
  ["format", format("%s %o %j", secret, secret, secret)],
  ["inspect without its own word", inspect(secret, { customInspect: false, showHidden: true, getters: true })],
  ["a template", `<${String(secret)}> ${[secret].join()}`],
  ["an error it caused", inspect(new Error("x", { cause: { secret } }), { depth: 9 })],
  ["an error about it", `${inspect(new Error(String(secret)))}${String(new Error("x", { cause: secret }).cause)}`],
  ["a structured clone", JSON.stringify(structuredClone(secret)) + inspect(structuredClone({ secret }), { depth: 9, showHidden: true })],
  ["a serialization", serialize({ secret }).toString("latin1") + serialize({ secret }).toString("utf16le")],
  ["all that reflection finds", inspect(Reflect.ownKeys(secret).map((key) => Object.getOwnPropertyDescriptor(secret, key)))],
  ["its keys", JSON.stringify(Object.entries(secret))],
  ["a copy", JSON.stringify(Object.assign({}, secret))],
] as const) {
  test(`${how} does not show it`, () => expect(shown).not.toContain("very"));
}

test("its source may be shown, and it can be had by asking", () => {
  expect(secret.source).toBe("env:OPENAI_API_KEY");
  expect(secret.reveal()).toBe("sk-very-secret");
});
