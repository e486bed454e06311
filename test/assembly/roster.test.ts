import { describe, expect, test } from "vitest";

import { listModels } from "../../src/assembly/models.ts";
import { breakerOptionsFrom } from "../../src/assembly/options.ts";
import { createRoster } from "../../src/assembly/roster.ts";
import type { Key } from "../../src/core/call.ts";
import { HealthStatus, ProviderState } from "../../src/core/chat.ts";
import { ChatError } from "../../src/core/error.ts";
import { createSlots } from "../../src/stores/slots.ts";
import { createWindowHealth } from "../../src/stores/window-health.ts";
import { settingsOf } from "../config/workspace.ts";
import { callOf, targetOf } from "../stages/support.ts";
import { createFakeClock } from "../support/fake-clock.ts";

const keyOf = (...models: string[]): Key => ({ ...callOf().key, models: models.length === 0 ? undefined : new Set(models) });

function scene(text: string, environment: Readonly<Record<string, string>> = {}) {
  const clock = createFakeClock();
  const settings = settingsOf(text, environment);
  const health = createWindowHealth({ clock, random: () => 0, breaker: breakerOptionsFrom(settings) });
  const slots = createSlots(clock);
  const roster = createRoster({ clock, health, slots });
  roster.apply(settings);
  const apply = (next: string, other = environment): void => roster.apply(settingsOf(next, other));
  const ids = () => roster.catalog().targets.map(({ id }) => id);
  return { roster, health, slots, apply, ids };
}

const two = `
providers:
  one: {type: simulated, models: [m, {id: n, upstream: real-n, input_price: 1, output_price: 2}]}
  two: {type: simulated, models: [m], max_concurrent: 1, timeout: 9s}
models: {fast: {targets: [two/m, one/n]}}
`;

describe("the roster", () => {
  test("offers what the configuration says", () => {
    const { roster, ids, slots } = scene(two);
    expect(ids()).toEqual(["one/m", "one/n", "two/m"]);
    expect(roster.list().map(({ id, state, models }) => [id, state, models])).toEqual([
      ["one", ProviderState.ENABLED, ["m", "n"]],
      ["two", ProviderState.ENABLED, ["m"]],
    ]);
    expect([...roster.providers().keys()]).toEqual(["one", "two"]);
    expect(
      roster
        .catalog()
        .resolve("fast", "chat", keyOf())
        ?.map(({ id }) => id),
    ).toEqual(["two/m", "one/n"]);
    expect(roster.catalog().resolve("one/n", "chat", keyOf())?.[0]).toMatchObject({
      upstreamModel: "real-n",
      price: { input: 1_000_000, output: 2_000_000 },
    });
    expect(roster.catalog().resolve("two/m", "chat", keyOf())?.[0]).toMatchObject({ timeoutMs: 9000 });
    const request = { target: targetOf("two/m"), insist: undefined };
    slots.take(request);
    expect(slots.take(request)).toBeUndefined();
  });

  test("keeps over a reload who is the same, starts who is new or other, and forgets who is gone", () => {
    const { roster, apply, ids } = scene(two);
    const before = roster.providers();
    const names = (text: string) =>
      text.replace("max_concurrent: 1", "max_concurrent: 2").replace("models: {fast: {targets: [two/m, one/n]}}", "");
    apply(names(two));
    expect([roster.providers().get("one") === before.get("one"), roster.providers().get("two") === before.get("two")]).toEqual([
      true,
      false,
    ]);
    apply("providers: {three: {type: simulated, models: [x]}}");
    expect([ids(), roster.find("one"), [...roster.providers().keys()]]).toEqual([["three/x"], undefined, ["three"]]);
    expect(roster.catalog().aliases.size).toBe(0);
  });

  test("starts anew who has another key, though the text is the same", () => {
    const text = `providers: {openai: {api_key: "\${KEY}"}}`;
    const { roster, apply } = scene(text, { KEY: "sk-one" });
    const before = roster.providers().get("openai");
    apply(text, { KEY: "sk-one" });
    expect(roster.providers().get("openai")).toBe(before);
    apply(text, { KEY: "sk-two" });
    expect(roster.providers().get("openai")).not.toBe(before);
    expect(JSON.stringify(roster.list())).not.toContain("sk-");
    expect(roster.find("openai")).toMatchObject({ credentialSource: "env:KEY", baseUrl: "https://api.openai.com/v1" });
  });

  test("forgets that a credential was refused once it is another, and not before", () => {
    const text = `providers: {openai: {api_key: "\${KEY}"}}`;
    const { roster, health, apply } = scene(text, { KEY: "sk-one" });
    const [target] = roster.catalog().targets;
    if (target === undefined) throw new Error("openai has no targets");
    const refuse = () => {
      const trial = health.begin(target.id, undefined);
      if (!("barred" in trial)) trial.end({ kind: "failed", streamed: true, error: new ChatError("UPSTREAM_AUTH", "no") });
    };
    refuse();
    apply(text, { KEY: "sk-one" });
    expect(health.view(target.id).lockedBy).toBe("UPSTREAM_AUTH");
    apply(text, { KEY: "sk-two" });
    expect(health.view(target.id).lockedBy).toBeUndefined();
  });

  test("leaves out who is not enabled", () => {
    expect(scene(`providers: {one: {type: simulated, models: [m]}, two: {type: simulated, enabled: false, models: [m]}}`).ids()).toEqual([
      "one/m",
    ]);
  });

  test("keeps an operator's word on a provider, over reloads too", () => {
    const { roster, apply } = scene(two);
    expect(roster.set("one", ProviderState.DRAINING, false)).toBe(true);
    expect(roster.set("nobody", ProviderState.DISABLED, false)).toBe(false);
    expect([roster.stateOf("one"), roster.stateOf("two"), roster.stateOf("nobody")]).toEqual([
      ProviderState.DRAINING,
      ProviderState.ENABLED,
      ProviderState.ENABLED,
    ]);
    apply(two);
    expect(roster.find("one")?.state).toBe(ProviderState.DRAINING);
    roster.set("one", ProviderState.UNSPECIFIED, true);
    expect(roster.stateOf("one")).toBe(ProviderState.DRAINING);
  });

  test("takes over what a host lists, where what it lists is what it offers", () => {
    const { roster, ids, apply } = scene(`providers: {ollama: {base_url: "http://127.0.0.1:1/v1"}, one: {type: simulated, models: [m]}}`);
    expect(ids()).toEqual(["one/m"]);
    expect(roster.listed("ollama", ["llama3"])).toBe(true);
    expect(roster.listed("ollama", ["llama3"])).toBe(false);
    expect(roster.listed("one", ["other"])).toBe(false);
    expect(roster.listed("nobody", ["other"])).toBe(false);
    expect(ids()).toEqual(["ollama/llama3", "one/m"]);
    apply(`providers: {ollama: {base_url: "http://127.0.0.1:2/v1"}, one: {type: simulated, models: [m]}}`);
    expect(ids()).toEqual(["ollama/llama3", "one/m"]);
  });

  test("tells health of everyone", async () => {
    const { roster } = scene(two);
    expect(roster.health("one")).toMatchObject({ provider: "one", status: HealthStatus.UNKNOWN });
    await roster.close();
  });
});

describe("the list of models", () => {
  const listed = (key: Key) =>
    listModels(scene(two).roster.catalog(), key, { createdWall: 5000, canServe: () => true, inOrder: (_name, targets) => targets });

  test("is aliases first, then bare names in order", () => {
    expect(listed(keyOf()).map(({ id, providers, aliasOf, ownedBy }) => [id, providers, aliasOf, ownedBy])).toEqual([
      ["fast", ["two", "one"], ["two/m", "one/n"], "semaroute"],
      ["m", ["one", "two"], [], "semaroute"],
      ["n", ["one"], [], "one"],
    ]);
  });

  test("shows a price only where all of a name's targets agree on it", () => {
    const [fast, , n] = listed(keyOf());
    expect(n).toMatchObject({ price: { inputMicroUsdPerMillion: 1_000_000n }, createTime: { seconds: 5n } });
    expect(fast).not.toHaveProperty("price");
  });

  for (const [list, names] of [
    [["m"], ["m"]],
    [["fast"], ["fast"]],
    [
      ["n", "fast"],
      ["fast", "n"],
    ],
    [["zzz"], []],
  ] as const) {
    test(`is within a key's list: ${list.join(", ")}`, () => expect(listed(keyOf(...list)).map(({ id }) => id)).toEqual(names));
  }
});
