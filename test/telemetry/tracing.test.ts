import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { createServer as createTcpServer, type AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AttemptKind, CacheStatus, usageOf } from "../../src/core/chat.ts";
import { ChatError } from "../../src/core/error.ts";
import { spanNames } from "../../src/telemetry/span-names.ts";
import { createTracing, type TracingOptions } from "../../src/telemetry/tracing.ts";
import { embedRequest } from "../support/attempt.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { attempt, call, canaries, observe, record, source, target } from "./records.ts";
import { spansIn, type ExportedSpan } from "./spans.ts";

let server: Server;
let endpoint: string;
let bodies: Buffer[];
let status: number;

beforeEach(async () => {
  bodies = [];
  status = 200;
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      expect(request.url).toBe("/v1/traces");
      expect(request.headers["content-type"]).toBe("application/x-protobuf");
      bodies.push(Buffer.concat(chunks));
      response.writeHead(status).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => new Promise((resolve) => server.close(resolve)));

/** A clock at which 1000 ms monotonic is the start of 2026 and one second. */
const clock = createFakeClock();
const epochMs = Date.UTC(2026, 0, 1);

/** Observes records with a tracing of its own; returns what the collector got. */
async function traced(records: readonly ReturnType<typeof record>[], options: Partial<TracingOptions> = {}): Promise<ExportedSpan[]> {
  const tracing = await createTracing({ enabled: true, endpoint, sampleRatio: 1, version: "1.2.3", clock, ...options });
  for (const each of records) if (tracing.observer !== undefined) observe(tracing.observer, each);
  await tracing.shutdown();
  return bodies.flatMap(spansIn);
}

const gpt = target("openai", "gpt");
const claude = target("anthropic", "claude");
const sampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

describe("spans", () => {
  test("a call is a SERVER span with its attempts as CLIENT spans within it, at the times they had", async () => {
    const error = new ChatError("OVERLOADED", "answered 529");
    const attempts = [
      attempt(gpt, { error, status: 529, startMs: 1001, endMs: 1010, won: false, firstContentMs: undefined }),
      attempt(claude, { id: "0193-call.2", kind: AttemptKind.FAILOVER, startMs: 1010, endMs: undefined, usage: usageOf(100, 20) }),
    ];
    const spans = await traced([record({ attempts, source: { ...source(attempts, claude), rule: "night" } })]);
    const [root, first, second] = ["chat auto", "chat gpt-2026", "chat claude-2026"].map((name) =>
      spans.find((span) => span.name === name),
    );
    expect(spans).toHaveLength(3);
    expect(root).toMatchObject({ kind: 2, parentSpanId: "", startMs: epochMs + 1000, endMs: epochMs + 1101, failed: false });
    expect(first).toMatchObject({
      kind: 3,
      traceId: root?.traceId,
      parentSpanId: root?.spanId,
      startMs: epochMs + 1001,
      endMs: epochMs + 1010,
      failed: true,
    });
    expect(second).toMatchObject({
      kind: 3,
      traceId: root?.traceId,
      parentSpanId: root?.spanId,
      startMs: epochMs + 1010,
      endMs: epochMs + 1101,
      failed: false,
    });
    expect(root?.attributes).toEqual({
      "gen_ai.operation.name": "chat",
      "gen_ai.provider.name": "anthropic",
      "gen_ai.request.model": "auto",
      "gen_ai.request.stream": false,
      "gen_ai.response.model": "claude-2026",
      "gen_ai.response.time_to_first_chunk": 0.0505,
      "gen_ai.usage.input_tokens": 100,
      "gen_ai.usage.output_tokens": 20,
      "semaroute.attempts": 2,
      "semaroute.cache": "miss",
      "semaroute.decision.id": "0193-call",
      "semaroute.door": "openai",
      "semaroute.key.id": "cfg_team-a",
      "semaroute.policy.revision": "rev-1",
      "semaroute.policy.rule": "night",
    });
    expect(first?.attributes).toEqual({
      "error.type": "OVERLOADED",
      "gen_ai.operation.name": "chat",
      "gen_ai.provider.name": "openai",
      "gen_ai.request.model": "gpt-2026",
      "http.response.status_code": 529,
      "semaroute.attempt.id": "0193-call.1",
      "semaroute.attempt.kind": "primary",
      "semaroute.attempt.won": false,
    });
    expect(second?.attributes).toMatchObject({
      "semaroute.attempt.kind": "failover",
      "semaroute.attempt.won": true,
      "gen_ai.usage.input_tokens": 100,
    });
  });

  test("of embeddings say so, by name and attribute", async () => {
    const embed = { ...gpt, kind: "embedding" } as const;
    const spans = await traced([
      record({ call: call({ request: embedRequest([canaries[0]], { model: "auto" }) }), attempts: [attempt(embed)] }),
    ]);
    expect(spans.map(({ name }) => name).toSorted()).toEqual(["embeddings auto", "embeddings gpt-2026"]);
    for (const { attributes } of spans) expect(attributes).toMatchObject({ "gen_ai.operation.name": "embeddings" });
    expect(JSON.stringify(spans)).not.toContain(canaries[0]);
  });

  test("all kinds of tokens are told where they are known", async () => {
    const usage = { ...usageOf(100, 20), cacheReadTokens: 1, cacheWriteTokens: 2, reasoningTokens: 3 };
    const [span] = await traced([record({ usage, attempts: [], source: source([], gpt, CacheStatus.HIT) })]);
    expect(span?.attributes).toMatchObject({
      "semaroute.cache": "hit",
      "gen_ai.usage.cache_read.input_tokens": 1,
      "gen_ai.usage.cache_creation.input_tokens": 2,
      "gen_ai.usage.reasoning.output_tokens": 3,
    });
  });

  for (const { failure, failed } of [
    { failure: "INVALID_REQUEST", failed: false },
    { failure: "CANCELLED", failed: false },
    { failure: "TIMEOUT", failed: true },
  ] as const) {
    test(`${failure} is told as error.type and ${failed ? "is" : "is not"} a failed span`, async () => {
      const [span] = await traced([record({ attempts: [], source: undefined, usage: undefined, error: new ChatError(failure, "text") })]);
      expect(span).toMatchObject({ failed, attributes: { "error.type": failure } });
      expect(span?.attributes).not.toHaveProperty("gen_ai.provider.name");
    });
  }

  test("prompt and secret do not appear", async () => {
    const error = new ChatError("UPSTREAM_PROTOCOL", `bad: ${canaries[0]}`, { cause: new Error(canaries[1]) });
    const spans = await traced([record({ error, source: undefined, attempts: [attempt(gpt, { error }), attempt(claude, { error })] })]);
    expect(spans).toHaveLength(3);
    const bytes = Buffer.concat(bodies).toString("latin1");
    expect(bytes).toContain("semaroute.decision.id");
    expect(bytes).toContain("service.version");
    for (const canary of canaries) expect(bytes).not.toContain(canary);
  });
});

describe("sampling", () => {
  test("a caller's sampled trace goes on, whatever the ratio", async () => {
    const spans = await traced([record({ call: call({ traceparent: sampled }) })], { sampleRatio: 0 });
    expect(spans.find((span) => span.kind === 2)).toMatchObject({
      traceId: "0af7651916cd43dd8448eb211c80319c",
      parentSpanId: "b7ad6b7169203331",
    });
    expect(spans).toHaveLength(2);
  });

  test("a caller's trace that is not sampled exports nothing", async () => {
    expect(await traced([record({ call: call({ traceparent: sampled.replace(/01$/, "00") }) })])).toEqual([]);
    expect(bodies).toEqual([]);
  });

  test("at ratio 0 nothing is exported", async () => {
    expect(await traced([record(), record()], { sampleRatio: 0 })).toEqual([]);
    expect(bodies).toEqual([]);
  });

  for (const traceparent of ["00-zz-b7ad6b7169203331-01", "00", "", "00-00000000000000000000000000000000-b7ad6b7169203331-01"]) {
    test(`the traceparent ${JSON.stringify(traceparent)} begins a trace of our own`, async () => {
      const spans = await traced([record({ call: call({ traceparent }) })]);
      expect(spans.find((span) => span.kind === 2)).toMatchObject({ parentSpanId: "" });
    });
  }
});

test("every attribute is told of in the documentation", async () => {
  const page = await readFile(new URL("../../docs/observability.md", import.meta.url), "utf8");
  for (const name of Object.values(spanNames)) expect(page).toContain(`\`${name}\``);
});

describe("the collector", () => {
  test("switched off, there is no observer and nothing is sent", async () => {
    const tracing = await createTracing({ enabled: false, endpoint, sampleRatio: 1, version: "1", clock });
    expect(tracing.observer).toBeUndefined();
    await tracing.shutdown();
    expect(bodies).toEqual([]);
  });

  test("an endpoint with a slash at its end is the same one", async () => {
    expect(await traced([record()], { endpoint: `${endpoint}/` })).toHaveLength(2);
  });

  test("a collector that refuses spans is reported, and stops nothing", async () => {
    status = 400;
    const lost: number[] = [];
    await traced([record()], { onLost: (spans) => lost.push(spans) });
    expect(lost).toEqual([2]);
  });

  test("a collector that takes the spans and never answers does not keep the process", async () => {
    const silent = createTcpServer((socket) => socket.on("error", () => {}).resume());
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const { port } = silent.address() as AddressInfo;
    const tracing = await createTracing({ enabled: true, endpoint: `http://127.0.0.1:${port}`, sampleRatio: 1, version: "1", clock });
    tracing.observer?.ended(record());
    // An export alone would wait for five seconds.
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise((resolve) => (timer = setTimeout(resolve, 4700, "late")));
    expect(await Promise.race([tracing.shutdown(), late])).toBeUndefined();
    clearTimeout(timer);
    silent.close();
  });
});
