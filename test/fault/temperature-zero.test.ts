/** Upstreams that fail calls at temperature 0, which equal calls share and the cache keeps: all ends as it does for others. */
import { expect } from "vitest";
import { until } from "../e2e/scene.ts";
import { begun, piece } from "./bodies.ts";
import { canaries } from "./canaries.ts";
import { answered, cut, failed } from "./outcome.ts";
import { wellSaid } from "./scene.ts";
import { always, chunked, errorJson, openStream, repeat, rst, stall, write } from "./steps.ts";
import { type Expectation, faultTable } from "./table.ts";

const question = { temperature: 0 };
const served: Expectation = () => answered(wellSaid, 2);
const late: Expectation = () => failed("TIMEOUT", 1);
const withDeadline = (ms: number) => ({
  ...question,
  headers: { authorization: `Bearer ${canaries.callerKey}`, "x-semaroute-timeout-ms": String(ms) },
});
const failuresInRow = 3;

faultTable(
  "temperature 0",
  [
    {
      id: "U06/zero",
      fault: "the request is read and not answered, at temperature 0",
      protocols: "RU",
      question,
      settings: "timeout: 600ms",
      script: always(stall),
      closes: true,
      lone: late,
      pair: served,
    },
    {
      id: "U06/zero-total",
      fault: "the same until the call's time is up, again and again: the breaker opens",
      protocols: "RU",
      question,
      script: always(stall),
      closes: true,
      before: async ({ ask }) => {
        for (let i = 1; i < failuresInRow; i++) await ask();
      },
      lone: late,
      check: async ({ scene, upstreamModel, requests }) => {
        expect(requests).toHaveLength(failuresInRow);
        const metrics = await scene.metrics();
        expect(metrics.sum("target_breaker_open", { provider: "u06-zero-total", model: upstreamModel })).toBe(1);
      },
    },
    {
      id: "U06/zero-joined",
      fault: "the same while an equal call waits already: one request, told by who stays longer",
      protocols: "RU",
      question,
      script: always(stall),
      closes: true,
      // It was asked before this call came.
      unseen: true,
      before: async ({ scene, ask, upstreamModel }) => {
        void ask();
        await until(() => scene.asked(upstreamModel).length === 1, "the first call is under way");
      },
      lone: late,
      check: ({ requests }) => expect(requests).toHaveLength(1),
    },
    {
      id: "U08/zero",
      fault: "reset right after the request, at temperature 0",
      question,
      script: always(rst),
      closes: true,
      lone: () => failed("UPSTREAM_UNAVAILABLE", 3),
      pair: served,
    },
    {
      id: "U41/zero",
      fault: "429 with retry-after: 3, beyond the caller's deadline, at temperature 0",
      question: withDeadline(1400),
      script: always(write(errorJson(429, {}, { "retry-after": "3" }))),
      cools: true,
      lone: () => failed("RATE_LIMITED", 1, { waitMs: [1, 3000] }),
      check: ({ requests }) => expect(requests[0]?.head).toMatch(/^x-semaroute-timeout-ms: 1[0-3]\d\d\r$/im),
    },
    {
      id: "U50/zero",
      fault: "content for ever, at temperature 0",
      protocols: "SGWT",
      question,
      script: always(openStream(begun), repeat(chunked(piece("more ")), 20)),
      closes: true,
      lone: () => cut(undefined, 1),
    },
    {
      id: "K24/zero",
      fault: "the caller's deadline comes before an answer, at temperature 0",
      question: withDeadline(500),
      script: always(stall),
      closes: true,
      lone: () => failed("DEADLINE_EXCEEDED", 1),
    },
  ],
  {
    timeouts: "connect: 700ms, first_token: 1200ms, idle: 1200ms, progress: 1200ms, total: 1500ms",
    resilience: `max_attempts: 3, retry: {base_delay: 1ms, max_delay: 2ms, budget: 1}, circuit_breaker: {consecutive_failures: ${failuresInRow}, open: 3s}`,
  },
);
