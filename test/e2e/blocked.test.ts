/** The event loop stands still for longer than an upstream may take, while the upstream's answer lies in our socket already. */
import { mkdtempSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";

import { loadConfiguration } from "../../src/config/load.ts";
import { BreakerState } from "../../src/core/chat.ts";
import type { CallRecord } from "../../src/core/telemetry.ts";
import { createGateway } from "../../src/gateway.ts";
import { anonymousKey } from "../../src/server/auth.ts";
import { createCallDesk } from "../../src/server/call-desk.ts";
import { wishesFrom } from "../../src/server/wishes.ts";
import { systemClock } from "../../src/stores/system-clock.ts";
import { build } from "../config/workspace.ts";
import { chatRequest } from "../support/attempt.ts";
import { asCell } from "../fault/play.ts";
import { chunk, completion, createUpstream, type UpstreamHandler } from "../support/scripted-upstream.ts";

/** What upstreams may take, and how long nothing happens; the first leaves a loaded machine its time. */
const limitMs = 1000;
const blockedMs = 1300;

const folder = mkdtempSync(join(tmpdir(), "semaroute-"));
afterAll(() => rm(folder, { recursive: true }));

/** From the moment an upstream has written until later than its limit, this process does nothing at all. */
function block(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, blockedMs);
}

interface Row {
  readonly name: string;
  /** `resilience.timeouts`. */
  readonly limits: string;
  /** The provider's own; default: none that counts. */
  readonly timeout?: string;
  readonly streamed: boolean;
  readonly handler: UpstreamHandler;
}

/** A call to a gateway whose only provider is this one; what it became. */
async function callTo({ handler, limits, timeout = "1h", streamed }: Row) {
  await using upstream = await createUpstream(handler);
  await writeFile(
    join(folder, "config.yaml"),
    `{health: {probe: none}, resilience: {max_attempts: 1, timeouts: ${limits}},
      providers: {up: {type: openai_compatible, base_url: "${upstream.url}/v1", timeout: ${timeout}, models: [m]}}}`,
  );
  const loaded = loadConfiguration({ ...build, explicitPath: undefined, environment: {}, cwd: folder });
  if (loaded.kind === "refused") throw new Error(JSON.stringify(loaded.problems));
  const records: CallRecord[] = [];
  const observer = { began: () => {}, ended: (record: CallRecord) => void records.push(record) };
  const gateway = createGateway({ settings: loaded.settings, clock: systemClock, random: Math.random, observers: [observer] });
  const desk = createCallDesk({ router: gateway.router, clock: systemClock, newId: () => "id", random: Math.random });
  const opened = desk.open({
    door: "openai",
    key: anonymousKey,
    request: { ...chatRequest("hi"), model: "m" },
    streamed,
    wishes: wishesFrom(() => undefined),
    receivedMs: systemClock.now(),
    id: "id",
  });
  try {
    const { batches } = await gateway.router.chat(opened.call);
    for await (const batch of batches) expect(batch).not.toEqual([]);
  } finally {
    opened.close();
    await gateway.close();
  }
  const breaker = gateway.providers.health("up").targets[0]?.breaker;
  return { errors: records.map(({ error }) => error?.failure), attempts: upstream.requests.length, breaker };
}

describe("is not the upstream's fault", () => {
  const limit = (name: string): string => `{${name}: ${limitMs}ms}`;
  test.each<Row>([
    {
      name: "a whole answer, by the provider's own timeout",
      limits: "{}",
      timeout: `${limitMs}ms`,
      streamed: false,
      handler(reply) {
        reply.json(completion("hello"));
        block();
      },
    },
    {
      name: "the first content of a stream",
      limits: "{}",
      timeout: `${limitMs}ms`,
      streamed: true,
      handler(reply) {
        reply
          .sse()
          .data(chunk({ role: "assistant", content: "hello" }, "stop"))
          .done();
        block();
      },
    },
    ...["idle", "progress"].map((name) => ({
      name: `later content, by timeouts.${name}`,
      limits: limit(name),
      streamed: true,
      async handler(reply: Parameters<UpstreamHandler>[0]) {
        const sse = reply.sse().data(chunk({ role: "assistant", content: "hel" }));
        // Read by us before the rest is written; and the rest, in the phase of the loop that timers come after.
        await new Promise((resolve) => setTimeout(resolve, 50));
        await new Promise(setImmediate);
        sse.data(chunk({ content: "lo" }, "stop")).done();
        block();
      },
    })),
  ])("$name", asCell("S09", "an event loop that stands still"), async (row) => {
    expect(await callTo(row)).toEqual({ errors: [undefined], attempts: 1, breaker: BreakerState.CLOSED });
  });
});
