/** Upstreams that say "later": every spelling of it, and what a call does meanwhile. */
import { expect } from "vitest";
import { canaries } from "./canaries.ts";
import { streamOf, wholeOf } from "./bodies.ts";
import { answered, failed } from "./outcome.ts";
import { wellSaid } from "./scene.ts";
import { always, answer, errorJson, type Step, write } from "./steps.ts";
import { type Expectation, faultTable, type FaultRow } from "./table.ts";

const served: Expectation = () => answered(wellSaid, 2);
const body = JSON.stringify({ error: { message: "slow down", type: "requests", param: null, code: "rate_limit_exceeded" } });

/** A 429 with headers as they stand, so that one may come twice. */
function limited(...headers: readonly string[]): Step {
  const lines = [
    "HTTP/1.1 429 Too Many Requests",
    "content-type: application/json",
    `content-length: ${Buffer.byteLength(body)}`,
    ...headers,
  ];
  return write(`${lines.join("\r\n")}\r\n\r\n${body}`);
}

/** A hint longer than any call sits out: the caller is told, and the target left alone. */
function hint(name: string, wait: readonly [least: number, most: number], ...headers: readonly string[]): FaultRow {
  return {
    id: `U42/${name}`,
    fault: `429 with ${headers.join(", ")}`,
    script: always(limited(...headers)),
    cools: true,
    lone: () => failed("RATE_LIMITED", 1, { waitMs: wait }),
    pair: served,
  };
}

/** A hint that says nothing, or "now": no storm of attempts comes of it, whatever the wait. */
function noHint(id: string, ...headers: readonly string[]): FaultRow {
  return {
    id,
    fault: headers.length === 0 ? "429 without a hint" : `429 with ${headers.join(", ")}`,
    script: always(limited(...headers)),
    cools: true,
    lone: () => failed("RATE_LIMITED", undefined, { waitMs: [0, 10_000] }),
    pair: served,
    check: ({ line }) => expect(Number(line["attempts"])).toBeLessThanOrEqual(3),
  };
}

const inSeconds = (seconds: number): string => new Date(Date.now() + seconds * 1000).toUTCString();
const good = (streamed: boolean): Step => (streamed ? streamOf(canaries.answer) : wholeOf());

faultTable("limited", [
  {
    id: "U41/recovers",
    fault: "429 with retry-after: 1, then a good answer",
    script: [answer(({ ordinal, streamed }) => [ordinal === 0 ? limited("retry-after: 1") : good(streamed)])],
    lone: () => answered(canaries.answer, 2),
    check: ({ durationMs }) => expect(durationMs).toBeGreaterThanOrEqual(1000),
  },
  {
    id: "U41/again",
    fault: "429 with retry-after: 1, whenever it is asked",
    script: always(limited("retry-after: 1")),
    cools: true,
    lone: () => failed("RATE_LIMITED", 3, { waitMs: [1, 1000] }),
    pair: served,
    // Limited, it is left alone: the next call goes straight to the healthy one.
    check: async ({ layout, ask }) => {
      if (layout === "lone") return;
      const end = await ask();
      if ("broke" in end) throw new Error("the second call broke off", { cause: end.broke });
      expect(end.headers.get("x-semaroute-attempts")).toBe("1");
    },
  },
  hint("date", [20_000, 30_000], `retry-after: ${inSeconds(30)}`, `date: ${inSeconds(0)}`),
  hint("date-alone", [30_000, 60_000], `retry-after: ${inSeconds(60)}`),
  hint("ms", [6000, 7000], "retry-after-ms: 7000"),
  hint("ms-microsoft", [7000, 8000], "x-ms-retry-after-ms: 8000"),
  hint("reset-requests", [85_000, 90_000], "x-ratelimit-reset-requests: 1m30s"),
  hint("reset-tokens", [15_000, 17_000], "x-ratelimit-reset-requests: 6ms", "x-ratelimit-reset-tokens: 17s"),
  hint("huge", [290_000, 300_000], "retry-after: 99999999"),
  hint("huge-ms", [290_000, 300_000], "retry-after-ms: 99999999999999999999"),
  hint("twice", [18_000, 20_000], "retry-after: 10", "retry-after: 20"),
  hint("both", [28_000, 30_000], "retry-after: 30", "retry-after-ms: 7000"),
  noHint("U42/past", `retry-after: ${inSeconds(-3600)}`),
  noHint("U42/negative", "retry-after: -5"),
  noHint("U42/zero", "retry-after: 0"),
  noHint("U42/garbage", "retry-after: soon"),
  noHint("U42/not-a-number", "retry-after: NaN", "retry-after-ms: 1e400"),
  noHint("U42/reset-small", "x-ratelimit-reset-requests: 6ms"),
  noHint("U43"),
  {
    id: "U44",
    fault: "two answers of 429 at once, of which the later one asks for longer",
    script: [
      answer(({ ordinal }) => [
        { do: "sleep", ms: ordinal === 0 ? 150 : 300 },
        ordinal === 0 ? limited("retry-after: 20") : limited("retry-after: 60"),
      ]),
    ],
    cools: true,
    before: async ({ ask }) => void (await Promise.all([ask(), ask()])),
    // A third call finds the target cooling down, and is told the longer wait, to which chance may add a tenth.
    lone: () => failed("NO_TARGET", 0, { waitMs: [50_000, 66_000] }),
  },
  {
    id: "U45/503-short",
    fault: "503 with retry-after: 1, then a good answer",
    script: [answer(({ ordinal, streamed }) => [ordinal === 0 ? write(errorJson(503, {}, { "retry-after": "1" })) : good(streamed)])],
    lone: () => answered(canaries.answer, 2),
    check: ({ durationMs }) => expect(durationMs).toBeGreaterThanOrEqual(1000),
  },
]);
