import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { Opaque } from "../../src/core/chat.ts";
import { opaqueFromText, textFromOpaque } from "../../src/core/opaque-tag.ts";

const own = { issuer: "anthropic", kind: "signature" };
const token = (issuer: string, kind: string, value: string): Opaque => ({ $typeName: "semaroute.v1.Opaque", issuer, kind, value });

test("a door's own token is left as its issuer wrote it", () => {
  expect(textFromOpaque(token("anthropic", "signature", "EqQB/+="), own)).toBe("EqQB/+=");
  expect(opaqueFromText("EqQB/+=", own)).toEqual(token("anthropic", "signature", "EqQB/+="));
});

test("a foreign token says whose it is", () => {
  expect(textFromOpaque(token("google", "thought_signature", "abc"), own)).toBe("sr1.google.thought_signature.abc");
});

test("every token comes back as it went, one that looks marked included", () => {
  const word = fc.stringMatching(/^[a-z0-9_-]{1,64}$/);
  const issuer = fc.oneof(fc.constant("anthropic"), word);
  const kind = fc.oneof(fc.constant("signature"), word);
  const value = fc.oneof(
    fc.string(),
    fc.string().map((text) => `sr1.a.b.${text}`),
  );
  fc.assert(
    fc.property(issuer, kind, value, (by, what, text) => {
      const whole = token(by, what, text);
      expect(opaqueFromText(textFromOpaque(whole, own), own)).toEqual(whole);
    }),
  );
});
