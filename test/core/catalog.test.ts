import { describe, expect, test } from "vitest";

import type { Key } from "../../src/core/call.ts";
import { createCatalog, type ModelKind } from "../../src/core/catalog.ts";
import { callOf, targetOf } from "../stages/support.ts";

const made: string[] = [];
const provider = (name: string, models: readonly string[], kinds: Readonly<Record<string, ModelKind>> = {}) => ({
  name,
  targets: models.map((model) => targetOf(`${name}/${model}`, { kind: kinds[model] ?? "chat" })),
  other: (model: string) => {
    made.push(`${name}/${model}`);
    return targetOf(`${name}/${model}`);
  },
});
const catalog = createCatalog({
  providers: [provider("a", ["m", "n", "embed"], { embed: "embedding" }), provider("b", ["m", "auto-b", "meta/llama"])],
  aliases: new Map([
    ["fast", ["b/m", "a/n"]],
    ["mixed", ["a/m", "a/embed"]],
    ["off-list", ["a/secret"]],
    ["gone", ["nobody/m"]],
    ["n", ["b/m"]],
  ]),
});
const keyOf = (...models: string[]): Key => ({ ...callOf().key, models: models.length === 0 ? undefined : new Set(models) });
const idsOf = (name: string, kind: ModelKind, key: Key): readonly string[] | undefined =>
  catalog.resolve(name, kind, key)?.map(({ id }) => id);

describe("a name means", () => {
  for (const [name, kind, key, ids] of [
    ["m", "chat", keyOf(), ["a/m", "b/m"]],
    ["a/m", "chat", keyOf(), ["a/m"]],
    ["b/meta/llama", "chat", keyOf(), ["b/meta/llama"]],
    ["meta/llama", "chat", keyOf(), ["b/meta/llama"]],
    ["fast", "chat", keyOf(), ["b/m", "a/n"]],
    ["n", "chat", keyOf(), ["b/m"]],
    ["mixed", "chat", keyOf(), ["a/m"]],
    ["mixed", "embedding", keyOf(), ["a/embed"]],
    ["embed", "chat", keyOf(), []],
    ["embed", "embedding", keyOf(), ["a/embed"]],
    ["a/embed", "chat", keyOf(), []],
    ["gone", "chat", keyOf(), []],
    ["off-list", "chat", keyOf(), ["a/secret"]],
    ["auto", "chat", keyOf(), ["a/m", "a/n", "b/m", "b/auto-b", "b/meta/llama"]],
    ["auto", "embedding", keyOf(), ["a/embed"]],
    ["a/unlisted", "chat", keyOf(), ["a/unlisted"]],
    ["M", "chat", keyOf(), undefined],
    ["zzz", "chat", keyOf(), undefined],
    ["nobody/m", "chat", keyOf(), undefined],
    ["a/", "chat", keyOf(), undefined],
    ["", "chat", keyOf(), undefined],
    // Within a key's list.
    ["m", "chat", keyOf("m"), ["a/m", "b/m"]],
    ["m", "chat", keyOf("a/m"), ["a/m"]],
    ["m", "chat", keyOf("n"), []],
    ["a/m", "chat", keyOf("m"), ["a/m"]],
    ["a/m", "chat", keyOf("b/m"), []],
    ["fast", "chat", keyOf("fast"), ["b/m", "a/n"]],
    ["fast", "chat", keyOf("m"), ["b/m"]],
    ["auto", "chat", keyOf("n", "b/m"), ["a/n", "b/m"]],
    ["auto", "chat", keyOf("zzz"), []],
    ["embed", "embedding", keyOf("embed"), ["a/embed"]],
  ] as const) {
    const list = key.models === undefined ? "" : ` with the list ${[...key.models].join(", ")}`;
    test(`${JSON.stringify(name)} for ${kind}${list}: ${ids?.join(", ") ?? "unknown"}`, () => expect(idsOf(name, kind, key)).toEqual(ids));
  }
});

describe("a key's list", () => {
  for (const [name, key, may] of [
    ["m", keyOf(), true],
    ["zzz", keyOf(), true],
    ["auto", keyOf("m"), true],
    ["m", keyOf("m"), true],
    ["n", keyOf("m"), false],
    ["a/m", keyOf("m"), true],
    ["a/m", keyOf("a/m"), true],
    ["b/m", keyOf("a/m"), false],
    ["fast", keyOf("fast"), true],
    ["fast", keyOf("m"), false],
    ["zzz", keyOf("m"), false],
    ["a/unlisted", keyOf("unlisted"), true],
  ] as const) {
    const list = key.models === undefined ? "no list" : `the list ${[...key.models].join(", ")}`;
    test(`${list} ${may ? "lets" : "does not let"} ${name} be asked for`, () => expect(catalog.mayAsk(name, key)).toBe(may));
  }
});

test("a made-up name that tells no kind is of the one it is asked for", () => {
  const guessing = createCatalog({
    providers: [{ name: "a", targets: [], other: (model) => targetOf(`a/${model}`, { madeUp: true, anyKind: true }) }],
    aliases: new Map([["either", ["a/x"]]]),
  });
  for (const name of ["a/x", "either"]) {
    for (const kind of ["chat", "embedding"] as const) expect(guessing.resolve(name, kind, keyOf())).toMatchObject([{ id: "a/x", kind }]);
  }
});

test("targets made on the fly are the same each time, are bounded, and not listed", () => {
  const [first] = catalog.resolve("a/made", "chat", keyOf()) ?? [];
  expect(catalog.resolve("a/made", "chat", keyOf())?.[0]).toBe(first);
  made.length = 0;
  for (let round = 0; round < 2; round++) for (let i = 0; i < 1500; i++) catalog.resolve(`a/made-${i}`, "chat", keyOf());
  // Some of the second round are made again: the memory ended below 1500.
  expect(made.length).toBeGreaterThan(1500);
  expect(made.length).toBeLessThan(3000);
  expect(catalog.targets.map(({ id }) => id)).toEqual(["a/m", "a/n", "a/embed", "b/m", "b/auto-b", "b/meta/llama"]);
});
