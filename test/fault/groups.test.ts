/** More than one upstream in trouble, one that is in trouble every other time, and faults that this build cannot have. */
import { expect } from "vitest";
import { canaries } from "./canaries.ts";
import { streamOf, wholeOf } from "./bodies.ts";
import { answered, failed } from "./outcome.ts";
import { wellSaid } from "./scene.ts";
import { always, answer, errorJson, rst, sleep, write } from "./steps.ts";
import { type Expectation, faultTable, type Playing } from "./table.ts";

const calls = 40;

/** Asks often, some at a time; every call must be answered. Returns the sum of attempts. */
async function askOften({ ask }: Playing): Promise<number> {
  let attempts = 0;
  for (let i = 0; i < calls; i += 4) {
    const ends = await Promise.all([ask(), ask(), ask(), ask()]);
    for (const end of ends) {
      if (!("text" in end) || end instanceof Error) throw new Error("a call was not answered", { cause: end });
      attempts += Number(end.headers.get("x-semaroute-attempts"));
    }
  }
  return attempts;
}

faultTable(
  "all down",
  [
    {
      id: "U57/500",
      fault: "both upstreams answer 500",
      script: always(write(errorJson(500))),
      pair: () => failed("UPSTREAM_UNAVAILABLE", 3),
    },
    {
      id: "U57/reset",
      fault: "one upstream breaks off, the other answers 500",
      script: always(rst),
      pair: () => failed("UPSTREAM_UNAVAILABLE", 3),
    },
    // What waiting can heal is told before what it cannot.
    {
      id: "U57/429",
      fault: "one upstream answers 429 with retry-after: 30, the other 500",
      script: always(write(errorJson(429, {}, { "retry-after": "30" }))),
      cools: true,
      pair: () => failed("RATE_LIMITED", 3, { waitMs: [25_000, 30_000] }),
    },
  ],
  { healthyScript: always(write(errorJson(500))) },
);

const noH2: Expectation = () => ({ skip: "upstreams are spoken to in HTTP/1.1 only: no HTTP/2 session can be opened, reset or flooded" });
const noGrpc: Expectation = () => ({ skip: "no provider of this build speaks gRPC" });

faultTable(
  "in groups",
  [
    {
      id: "U58",
      fault: "every other request fails",
      script: [
        answer(({ ordinal, streamed }) => [ordinal % 2 === 0 ? write(errorJson(500)) : streamed ? streamOf(canaries.answer) : wholeOf()]),
      ],
      before: async (playing) => {
        const attempts = await askOften(playing);
        // Never more than one attempt beside the first: who fails is passed over, and not asked again and again.
        expect(attempts).toBeLessThanOrEqual(2 * calls);
        expect(playing.scene.asked(playing.upstreamModel)).toHaveLength(attempts);
      },
      pair: () => answered(undefined, undefined),
    },
    {
      id: "U59",
      fault: "an upstream that says 429 at once, and is preferred, beside one that is slow and well",
      script: always(write(errorJson(429))),
      cools: true,
      before: async (playing) => {
        const startMs = performance.now();
        await askOften(playing);
        const seconds = (performance.now() - startMs) / 1000;
        const { upstream, scene, upstreamModel } = playing;
        const limited = upstream.requests.filter(({ model }) => model === upstreamModel).length;
        // The first four find out together; after them it is asked again once its time is over, at first a second.
        expect(limited).toBeLessThanOrEqual(4 * (1 + Math.ceil(seconds)));
        expect(scene.asked(upstreamModel).length - limited).toBe(calls);
      },
      pair: () => answered(wellSaid, undefined),
    },
    { id: "U55", fault: "an HTTP/2 upstream that sends GOAWAY, resets or floods", lone: noH2, pair: noH2 },
    { id: "U56", fault: "a gRPC upstream whose status is missing", protocols: "UG", lone: noGrpc, pair: noGrpc },
  ],
  { maxConcurrent: 64, healthyScript: [answer(({ streamed }) => [sleep(15), ...healthy(streamed)])] },
);

function healthy(streamed: boolean) {
  return [streamed ? streamOf(wellSaid) : wholeOf(wellSaid)];
}
