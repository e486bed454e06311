import { create } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { describe, expect, test } from "vitest";

import type { Key, KeyId } from "../../src/core/call.ts";
import { CacheMode, ChatRequestSchema, EmbedRequestSchema, Priority } from "../../src/core/chat.ts";
import { chatRequest, embedRequest } from "../support/attempt.ts";
import { keyOf } from "./cache-key.ts";
import { changesOf } from "./changes.ts";

/** What says nothing about the answer: contract, Cache. */
const ignored = ["metadata", "routing", "routing.first_token_timeout", "routing.tags", "routing.cache"];

describe("the key covers the whole request", () => {
  const changes = [...changesOf(ChatRequestSchema)];

  test("down to the fields of its messages, tools and wishes", () => {
    expect(changes.length).toBeGreaterThan(150);
    expect(changes.map(({ path }) => path)).toEqual(expect.arrayContaining([...ignored, "sampling.seed", "messages.content.text.text"]));
  });

  test("each change but those that say nothing about the answer gives a key of its own", async () => {
    const base = await keyOf(chatRequest("hi"));
    const byKey = new Map([[base, "base"]]);
    const same: string[] = [];
    for (const { path, apply } of changes) {
      const request = chatRequest("hi");
      apply(reflect(ChatRequestSchema, request));
      const key = await keyOf(request);
      if (key === base) same.push(path);
      else {
        expect(`${path} has the key of ${byKey.get(key)}`).toBe(`${path} has the key of undefined`);
        byKey.set(key, path);
      }
    }
    expect(same.filter((path) => !path.startsWith("routing.first_token_timeout.")).toSorted()).toEqual(ignored.toSorted());
  });

  test("likewise that of embeddings", async () => {
    const keys = [await keyOf(embedRequest(["hi"]))];
    const same: string[] = [];
    for (const { path, apply } of changesOf(EmbedRequestSchema)) {
      const request = embedRequest(["hi"]);
      apply(reflect(EmbedRequestSchema, request));
      const key = await keyOf(request);
      if (key === keys[0]) same.push(path);
      keys.push(key);
    }
    const silent = ignored.filter((path) => path !== "metadata").toSorted();
    expect(same.filter((path) => !path.startsWith("routing.first_token_timeout.")).toSorted()).toEqual(silent);
    expect(new Set(keys).size).toBe(keys.length - same.length);
  });

  test("a chat never has the key of embeddings, though it be the same bytes", async () => {
    expect(await keyOf(embedRequest([], { model: "m" }))).not.toBe(await keyOf(create(ChatRequestSchema, { model: "m" })));
  });

  test("fields that we do not know are part of it", async () => {
    const request = chatRequest("hi");
    request.$unknown = [{ no: 999, wireType: 0, data: new Uint8Array([1]) }];
    expect(await keyOf(request)).not.toBe(await keyOf(chatRequest("hi")));
  });

  test("what a call wishes of the cache does not hide its answer from others", async () => {
    const plain = await keyOf(chatRequest("hi"));
    for (const cache of [CacheMode.USE, CacheMode.REFRESH]) expect(await keyOf(chatRequest("hi", { routing: { cache } }))).toBe(plain);
    expect(await keyOf(chatRequest("hi", { routing: { tags: { team: "a" } }, metadata: { user: "7" } }))).toBe(plain);
  });

  test("equal requests have equal keys, and asking does not change them", async () => {
    const request = chatRequest("hi", { routing: { tags: { team: "a" }, cache: CacheMode.USE, affinityKey: "x" }, metadata: { a: "b" } });
    const copy = create(ChatRequestSchema, structuredClone(request));
    expect(await keyOf(request)).toBe(await keyOf(copy));
    expect(request).toEqual(copy);
  });
});

describe("the key is within one tenant", () => {
  const id = (text: string): Partial<Key> => ({ id: text as KeyId });

  test("another tenant has another key", async () => {
    expect(await keyOf(chatRequest("hi"), id("cfg_b"))).not.toBe(await keyOf(chatRequest("hi"), id("cfg_a")));
  });

  test("the tenant's name, models and priority are not its identity", async () => {
    const changed = { ...id("cfg_a"), name: "other", models: new Set(["m"]), priority: Priority.HIGH };
    expect(await keyOf(chatRequest("hi"), changed)).toBe(await keyOf(chatRequest("hi"), id("cfg_a")));
  });

  test("it begins with the tenant's id, by which a tenant's answers can be purged, and holds no prompt", async () => {
    expect(await keyOf(chatRequest("a secret prompt"), id("cfg_a"))).toMatch(/^cfg_a:[\w-]{43}$/);
  });
});
