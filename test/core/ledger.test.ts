import { describe, expect, test } from "vitest";
import { AttemptKind, CacheStatus, usageOf } from "../../src/core/chat.ts";
import { ChatError } from "../../src/core/error.ts";
import { entryFrom, isFinal, noteCopy, noteSettlement, usageGroups, noCalls, nothingUsed } from "../../src/core/ledger.ts";
import { attempt, call, canaries, record, source, target } from "../telemetry/records.ts";

const wall = Date.UTC(2026, 0, 2, 0, 0, 0, 50);
const at = target("openai", "gpt");
const free = { ...at, price: undefined };

describe("a call that is settled", () => {
  test("has one row an attempt, with what each used and what it cost", () => {
    const attempts = [
      attempt(target("azure", "gpt"), { id: "c.1", won: false, status: 500, error: new ChatError("UPSTREAM_UNAVAILABLE", "500") }),
      attempt(at, { id: "c.2", kind: AttemptKind.FAILOVER, usage: usageOf(100, 20) }),
    ];
    const entry = entryFrom(noteSettlement(record({ attempts }), wall));
    expect(entry).toMatchObject({
      id: "0193-call",
      key: "cfg_team-a",
      wall,
      call: { asked: "auto", failed: false, hit: false, provider: "openai", model: "gpt" },
      attempts: [
        { id: "c.1", provider: "azure", status: 500, won: false },
        {
          id: "c.2",
          provider: "openai",
          kind: AttemptKind.FAILOVER,
          won: true,
          usage: { inputTokens: 100, outputTokens: 20, pico: "400000000" },
        },
      ],
    });
    expect(entry.attempts[0]).not.toHaveProperty("usage");
  });

  test("counts for the day on which it arrived", () => {
    // It ran for 101 ms.
    expect(entryFrom(noteSettlement(record(), wall)).day).toBe(Math.floor(wall / 86_400_000) - 1);
    expect(entryFrom(noteSettlement(record(), wall + 51)).day).toBe(Math.floor(wall / 86_400_000));
  });

  test("that no price is known for has no cost, which is not zero", () => {
    const attempts = [attempt(free, { usage: usageOf(1, 1) })];
    expect(entryFrom(noteSettlement(record({ attempts }), wall)).attempts[0]?.usage).not.toHaveProperty("pico");
  });

  test("by the cache has no attempt, and names who once answered", () => {
    const entry = entryFrom(noteSettlement(record({ attempts: [], source: source([], at, CacheStatus.HIT) }), wall));
    expect(entry).toMatchObject({ call: { hit: true, failed: false, provider: "openai", model: "gpt" }, attempts: [] });
  });

  test("leaves out what was never called", () => {
    const skipped = new ChatError("SHED", "full", { skipped: "busy" });
    const entry = entryFrom(noteSettlement(record({ attempts: [attempt(at, { error: skipped, won: false })] }), wall));
    expect(entry.attempts).toEqual([]);
  });

  test("holds nothing of what was said", () => {
    const error = new ChatError("INVALID_REQUEST", canaries[0], { fromUpstream: true });
    const text = JSON.stringify(entryFrom(noteSettlement(record({ error, attempts: [attempt(at, { error })] }), wall)));
    for (const canary of canaries) expect(text).not.toContain(canary);
  });

  test("is final once all its attempts are over, and reads them only then", () => {
    const behind = attempt(at, { endMs: undefined, won: false });
    const note = noteSettlement(record({ attempts: [attempt(at), behind] }), wall);
    expect(isFinal(note)).toBe(false);
    behind.usage = { ...usageOf(7, 0), estimated: true };
    behind.endMs = 1101;
    expect(isFinal(note)).toBe(true);
    expect(entryFrom(note).attempts[1]?.usage).toMatchObject({ inputTokens: 7, estimated: true });
  });
});

test("a copy of a call is charged to its key, and is no call", () => {
  const copy = attempt(at, { id: "0193-call.shadow1", kind: AttemptKind.SHADOW, won: false, usage: usageOf(1, 1) });
  const entry = entryFrom(noteCopy(call(), copy, wall));
  expect(entry).not.toHaveProperty("call");
  expect(entry).toMatchObject({
    id: "0193-call",
    key: "cfg_team-a",
    attempts: [{ kind: AttemptKind.SHADOW, usage: { pico: "12000000" } }],
  });
});

test("groups of calls and of attempts are brought together, the dearest first, exact where numbers are not", () => {
  const groups = usageGroups(
    [
      [["a"], { ...noCalls(), calls: 9 }],
      [["b"], { ...noCalls(), calls: 1 }],
      [["c"], { ...noCalls(), calls: 2 }],
    ],
    [
      [["b"], { ...nothingUsed(), pico: 2n ** 60n + 1n }],
      [["d"], { ...nothingUsed(), pico: 2n ** 60n }],
    ],
  );
  expect(groups.map(({ group, calls, pico }) => [...group, calls, pico])).toEqual([
    ["b", 1, 2n ** 60n + 1n],
    ["d", 0, 2n ** 60n],
    ["a", 9, 0n],
    ["c", 2, 0n],
  ]);
});
