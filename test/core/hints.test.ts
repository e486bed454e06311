import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { TargetId } from "../../src/core/catalog.ts";
import { hintFromText, hintKinds, textFromHint, type ToldHint } from "../../src/core/hints.ts";

const hint: ToldHint = { kind: "failing", target: "a/m" as TargetId, ms: 5000, from: "one", mark: "m" };

describe("a hint", () => {
  test("arrives as it was told", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...hintKinds),
        fc.integer({ min: 1, max: 86_400_000 }),
        fc.string({ maxLength: 100 }),
        (kind, ms, name) => {
          const told = { ...hint, kind, ms, target: `a/${name}` as TargetId };
          expect(hintFromText(textFromHint(told))).toEqual(told);
        },
      ),
    );
  });

  test("holds the target, the host and credential by a hash, and nothing else", () => {
    expect(JSON.parse(textFromHint(hint))).toEqual({ v: 1, from: "one", mark: "m", kind: "failing", target: "a/m", ms: 5000 });
  });

  const text = textFromHint(hint);
  for (const [what, wrong] of Object.entries({
    "no JSON": "failing a/m",
    "another JSON": '["failing","a/m"]',
    null: "null",
    "another version": text.replace('"v":1', '"v":2'),
    "another kind": text.replace("failing", "dead"),
    "a kind that objects have": text.replace("failing", "constructor"),
    "no target": text.replace('"target":"a/m"', '"target":7'),
    "a time that is over": text.replace("5000", "0"),
    "a time that never ends": text.replace("5000", "1e300"),
    "a fraction": text.replace("5000", "0.5"),
    "a long text": text.replace("a/m", `a/${"m".repeat(1024)}`),
  }))
    test(`is none with ${what}`, () => expect(hintFromText(wrong)).toBeUndefined());

  test("is none, or a whole one, whatever somebody says", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (said) => {
        const heard = hintFromText(said);
        if (heard !== undefined) expect(hintFromText(textFromHint(heard))).toEqual(heard);
      }),
    );
  });
});
