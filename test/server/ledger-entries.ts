import { AttemptKind } from "../../src/core/chat.ts";
import type { LedgerEntry } from "../../src/core/ledger.ts";

/** A call of 2026-01-02 that went well after a failover, one that the cache answered, and one that nobody can be charged for. */
export const ledgerEntries: readonly LedgerEntry[] = [
  {
    id: "c1",
    key: "cfg_a",
    wall: Date.UTC(2026, 0, 2),
    day: 20_455,
    prices: "v1",
    call: { asked: "auto", failed: false, hit: false, provider: "q", model: "=1+2" },
    attempts: [
      attempt("c1.1", { provider: "p", status: 529, reason: 13, won: false }),
      attempt("c1.2", {
        provider: "q",
        model: "=1+2",
        kind: AttemptKind.FAILOVER,
        usage: { inputTokens: 10, outputTokens: 2, totalTokens: 12, estimated: false, pico: "1500001" },
      }),
    ],
  },
  {
    id: "c2",
    key: "cfg_b",
    wall: Date.UTC(2026, 0, 3),
    day: 20_456,
    prices: "v1",
    call: { asked: "m", failed: false, hit: true, provider: "p", model: "m" },
    attempts: [],
  },
  {
    id: "c3",
    key: "cfg_b",
    wall: Date.UTC(2026, 0, 3),
    day: 20_456,
    prices: "",
    call: { asked: "m", failed: true, hit: false, provider: "p", model: "m" },
    attempts: [attempt("c3.1", { won: true, usage: { inputTokens: 4, outputTokens: 0, totalTokens: 4, estimated: true } })],
  },
];

function attempt(id: string, more: Partial<LedgerEntry["attempts"][number]>): LedgerEntry["attempts"][number] {
  return {
    id,
    provider: "p",
    model: "m",
    kind: AttemptKind.PRIMARY,
    wall: Date.UTC(2026, 0, 1, 23, 59, 59, 500),
    ms: 12.5,
    status: 200,
    reason: 0,
    text: "",
    upstreamId: "",
    won: true,
    ...more,
  };
}
