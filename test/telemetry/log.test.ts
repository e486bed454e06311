import { readFile } from "node:fs/promises";
import { spawn, type ChildProcess } from "node:child_process";
import { afterEach, describe, expect, test } from "vitest";
import { AttemptKind, CacheStatus, Priority, usageOf } from "../../src/core/chat.ts";
import { ChatError, type Failure } from "../../src/core/error.ts";
import { Secret } from "../../src/core/secret.ts";
import { callLog } from "../../src/telemetry/call-log.ts";
import type { LineSink } from "../../src/telemetry/line-sink.ts";
import { auditLine, overloadLine, startupLine } from "../../src/telemetry/lines.ts";
import { createLog, type LogOptions } from "../../src/telemetry/log.ts";
import { attempt, call, canaries, observe, record, source, target } from "./records.ts";

function memorySink(): LineSink & {
  readonly text: () => string;
  readonly flushes: () => number;
  readonly lines: () => Record<string, unknown>[];
} {
  let text = "";
  let flushes = 0;
  const flush = (): void => void flushes++;
  return {
    write: (line) => void (text += line),
    flush,
    flushSync: flush,
    settled: () => Promise.resolve(),
    dropped: () => 0,
    text: () => text,
    flushes: () => flushes,
    lines: () =>
      text
        .trimEnd()
        .split("\n")
        .filter((line) => line !== "")
        .map((line): Record<string, unknown> => JSON.parse(line)),
  };
}

const wall = Date.UTC(2026, 0, 2, 3, 4, 5, 678);

function logTo(sink: LineSink, options: Partial<LogOptions> = {}) {
  return createLog({ level: "info", format: "json", clock: { wall: () => wall }, destination: sink, ...options });
}

const statusOf = (failure: Failure): number =>
  ({ CANCELLED: 499, INVALID_REQUEST: 400, RATE_LIMITED: 429 } as Partial<Record<Failure, number>>)[failure] ?? 502;

/** The line of one call, parsed. */
function lineOf(seen: ReturnType<typeof record>): Record<string, unknown> {
  const sink = memorySink();
  observe(callLog(logTo(sink), statusOf), seen);
  const [line] = sink.lines();
  expect(line).toBeDefined();
  return line ?? {};
}

describe("lines", () => {
  test("a line begins with level, timestamp and message, then has its fields, and nothing of the machine", () => {
    const sink = memorySink();
    logTo(sink).info({ url: "http://127.0.0.1:8080", missing: undefined }, "listening");
    expect(sink.text()).toBe(
      '{"level":"info","timestamp":"2026-01-02T03:04:05.678Z","message":"listening","url":"http://127.0.0.1:8080"}\n',
    );
  });

  for (const [level, words] of [
    ["debug", ["debug", "info", "warn", "error"]],
    ["warn", ["warn", "error"]],
    ["error", ["error"]],
  ] as const) {
    test(`at level ${level} the lines ${words.join(", ")} are written`, () => {
      const sink = memorySink();
      const log = logTo(sink, { level });
      for (const each of ["debug", "info", "warn", "error"] as const) {
        log[each]({}, "a line");
        expect(log.writes(each)).toBe(words.some((word) => word === each));
      }
      expect(sink.lines().map((line) => line["level"])).toEqual(words);
    });
  }

  test("an error leaves at once, other lines wait for company", () => {
    const sink = memorySink();
    const log = logTo(sink);
    log.warn({}, "coped");
    expect(sink.flushes()).toBe(0);
    log.error({}, "help");
    expect(sink.flushes()).toBe(1);
  });

  test("many different messages are all written as they are", () => {
    const sink = memorySink();
    const log = logTo(sink);
    for (let i = 0; i < 600; i++) log.info({}, `message ${i}`);
    expect(sink.lines().map((line) => line["message"])).toEqual(Array.from({ length: 600 }, (_, i) => `message ${i}`));
  });

  test("the pretty format shows level, message and fields on one line each, without JSON's frame", () => {
    const sink = memorySink();
    logTo(sink, { format: "pretty" }).info({ port: 8080 }, "listening");
    expect(sink.text()).toMatch(/^\[.*\] .*INFO.*listening.*\{"port":8080\}\n$/);
  });

  test("auto is JSON where the destination is no terminal", () => {
    const sink = memorySink();
    logTo(sink, { format: "auto" }).info({}, "x");
    expect(sink.lines()[0]?.["message"]).toBe("x");
  });

  test("a Secret shows as stars", () => {
    const sink = memorySink();
    logTo(sink).info({ key: new Secret(canaries[1], "env:X"), nested: { key: new Secret(canaries[1], "env:X") } }, "x");
    expect(sink.lines()[0]).toMatchObject({ key: "***", nested: { key: "***" } });
  });

  test("the start-up line names the listener and leaves at once", () => {
    const sink = memorySink();
    startupLine(logTo(sink), {
      url: "http://127.0.0.1:1",
      simulated: true,
      doors: ["data"],
      version: "1.2.3",
      adminTokenFile: "/data/admin-token",
    });
    expect(sink.lines()[0]).toMatchObject({
      level: "info",
      message: "listening",
      url: "http://127.0.0.1:1",
      simulated: true,
      admin_token_file: "/data/admin-token",
    });
    expect(sink.flushes()).toBe(1);
  });

  const entry = { action: "SwapPolicy", subject: "rev-2", author: "ops", comment: "cheaper", address: "192.0.2.1", requestId: "req-1" };
  test("a change by an operator leaves an audit line", () => {
    const sink = memorySink();
    auditLine(logTo(sink))(entry);
    expect(sink.lines()[0]).toMatchObject({
      level: "info",
      message: "audit",
      action: "SwapPolicy",
      subject: "rev-2",
      author: "ops",
      comment: "cheaper",
      address: "192.0.2.1",
      request_id: "req-1",
    });
    expect(sink.flushes()).toBe(1);
  });
  test.each(["warn", "error"] as const)("an audit line is written where the log shows nothing below %s", (level) => {
    const sink = memorySink();
    auditLine(logTo(sink, { level }))(entry);
    expect(sink.lines()).toMatchObject([{ level, message: "audit", action: "SwapPolicy" }]);
  });
});

describe("the line of a call", () => {
  test("a call that went well says who, where, how long, how much", () => {
    expect(lineOf(record())).toEqual({
      level: "info",
      timestamp: "2026-01-02T03:04:05.678Z",
      message: "call",
      call_id: "0193-call",
      request_id: "caller-1",
      key: "cfg_team-a",
      door: "openai",
      model: "auto",
      provider: "openai",
      target_model: "gpt",
      streamed: false,
      cache: "miss",
      attempts: 1,
      status: 200,
      duration_ms: 101,
      first_content_ms: 50.5,
      overhead_ms: 2,
      input_tokens: 100,
      output_tokens: 20,
      cost_usd: "0.0004",
      policy: "rev-1",
    });
  });

  test("overhead is the time in which no upstream was at work, and overlapping attempts count once", () => {
    const [a, b] = [target("a", "m"), target("b", "m")];
    const attempts = [attempt(b, { startMs: 1040, endMs: 1090 }), attempt(a, { startMs: 1010, endMs: 1060 })];
    expect(lineOf(record({ attempts, endMs: 1100 }))["overhead_ms"]).toBe(20);
  });

  test("an attempt that goes on when the call has ended counts to the call's end", () => {
    const attempts = [attempt(target("a", "m"), { startMs: 1010, endMs: undefined })];
    expect(lineOf(record({ attempts, endMs: 1100 }))["overhead_ms"]).toBe(10);
  });

  test("a failover lists its tries with the upstream's status and the system's code", () => {
    const [a, b] = [target("a", "m"), target("b", "m")];
    const refused = Object.assign(new Error(`connect to ${canaries[0]}`), { code: "ECONNREFUSED" });
    const error = new ChatError("UPSTREAM_UNAVAILABLE", "no connection", { cause: refused });
    const attempts = [
      attempt(a, { error, status: 0, startMs: 1001, endMs: 1003.25, won: false }),
      attempt(b, { kind: AttemptKind.FAILOVER, startMs: 1003.25 }),
    ];
    const line = lineOf(record({ attempts }));
    expect(line).toMatchObject({ level: "info", provider: "b", attempts: 2, status: 200 });
    expect(line["tries"]).toEqual([
      { target: "a/m", reason: "UPSTREAM_UNAVAILABLE", code: "ECONNREFUSED", status: 0, ms: 2.25 },
      { target: "b/m", status: 200, ms: 96.75 },
    ]);
  });

  for (const { failure, level, status } of [
    { failure: "INVALID_REQUEST", level: "info", status: 400 },
    { failure: "CANCELLED", level: "info", status: 499 },
    { failure: "RATE_LIMITED", level: "warn", status: 429 },
    { failure: "UPSTREAM_UNAVAILABLE", level: "warn", status: 502 },
    { failure: "INTERNAL", level: "warn", status: 502 },
  ] as const) {
    test(`${failure} is logged at ${level} with status ${status}`, () => {
      const error = new ChatError(failure, "it failed");
      const line = lineOf(record({ error, source: undefined, attempts: [], usage: undefined, firstContentMs: undefined }));
      expect(line).toMatchObject({ level, status, reason: failure, attempts: 0 });
      for (const absent of ["provider", "target_model", "cache", "tries", "first_content_ms", "cost_usd", "unpriced", "input_tokens"])
        expect(line).not.toHaveProperty(absent);
    });
  }

  test("a failure of one attempt lists it", () => {
    const error = new ChatError("OVERLOADED", "target a/m answered 529");
    const attempts = [attempt(target("a", "m"), { error, status: 529 })];
    expect(lineOf(record({ error, source: undefined, attempts }))["tries"]).toEqual([
      { target: "a/m", reason: "OVERLOADED", status: 529, ms: 99 },
    ]);
  });

  test("an unpriced target is unpriced, not free", () => {
    const at = { ...target("local", "m"), price: undefined };
    const line = lineOf(record({ attempts: [attempt(at)] }));
    expect(line["unpriced"]).toBe(true);
    expect(line).not.toHaveProperty("cost_usd");
  });

  test("an exact cost is not rounded, and what was told wins over the list price", () => {
    expect(lineOf(record({ usage: { ...usageOf(1, 1), costPicoUsd: 123_456_789_012_345_678n } }))["cost_usd"]).toBe("123456.789012345678");
  });

  test("a stored answer costs nothing", () => {
    const at = target("openai", "gpt");
    expect(lineOf(record({ attempts: [], source: source([], at, CacheStatus.HIT) }))).toMatchObject({
      cache: "hit",
      attempts: 0,
      cost_usd: "0",
    });
  });

  test("an endless model name is cut", () => {
    expect(lineOf(record({ call: call({ model: "x".repeat(10_000) }) }))["model"]).toBe("x".repeat(256));
  });

  test("a priority is told where it is not the normal one", () => {
    const of = (priority: Priority) => lineOf(record({ call: call({ key: { ...call().key, priority } }) }))["priority"];
    expect([of(Priority.LOW), of(Priority.NORMAL), of(Priority.HIGH)]).toEqual(["low", undefined, "high"]);
  });

  test("every field is told of in the documentation", async () => {
    const page = await readFile(new URL("../../docs/observability.md", import.meta.url), "utf8");
    const error = new ChatError("INTERNAL", "internal error", { cause: new Error("x") });
    const free = { ...target("local", "m"), price: undefined };
    const lines = [lineOf(record()), lineOf(record({ error })), lineOf(record({ attempts: [attempt(free), attempt(free)] }))];
    for (const field of new Set(lines.flatMap((line) => Object.keys(line)))) expect(page).toContain(`\`${field}\``);
  });

  test("where the level is not written, nothing is made", () => {
    const sink = memorySink();
    observe(
      callLog(logTo(sink, { level: "warn" }), () => expect.fail("asked for a status")),
      record(),
    );
    expect(sink.text()).toBe("");
  });

  test("a bug shows its cause's names and frames, never its messages", () => {
    const inner = new SyntaxError(`Unexpected token, "${canaries[0]}" is not JSON\n    at ${canaries[1]} (file.ts:1:2)`);
    const cause = new TypeError(`cannot read ${canaries[0]}`, { cause: inner });
    const line = lineOf(record({ error: new ChatError("INTERNAL", "internal error", { cause }), source: undefined }));
    expect(line["cause"]).toMatchObject([{ name: "TypeError" }, { name: "SyntaxError" }]);
    const text = JSON.stringify(line);
    expect(text).toContain("log.test.ts");
    for (const canary of canaries) expect(text).not.toContain(canary);
  });

  test("an error whose message was changed shows no frames rather than its old words", () => {
    const cause = new Error(`old ${canaries[0]}\n    at ${canaries[1]} (file.ts:1:2)`);
    cause.message = "new";
    cause.name = canaries[0];
    const text = JSON.stringify(lineOf(record({ error: new ChatError("INTERNAL", "internal error", { cause }), source: undefined })));
    for (const canary of canaries) expect(text).not.toContain(canary);
  });

  test("prompt and secret of a call that failed everywhere do not appear", () => {
    const error = new ChatError("UPSTREAM_PROTOCOL", `bad answer: ${canaries[0]}`, { cause: new Error(canaries[1]), fromUpstream: true });
    const attempts = [attempt(target("a", "m"), { error }), attempt(target("b", "m"), { error, kind: AttemptKind.FAILOVER })];
    const text = JSON.stringify(lineOf(record({ error, attempts, source: undefined })));
    for (const canary of canaries) expect(text).not.toContain(canary);
  });
});

const running = new Set<ChildProcess>();
afterEach(() => {
  for (const child of running) child.kill("SIGKILL");
});

function run(code: string) {
  const child = spawn(process.execPath, ["--input-type=module", "-e", code], { stdio: ["ignore", "pipe", "inherit"] });
  running.add(child);
  child.on("close", () => running.delete(child));
  return child;
}

describe("stdout", () => {
  const count = 20_000;
  const program = (ending: string): string => `
    const { createLog } = await import(${JSON.stringify(new URL("../../src/telemetry/log.ts", import.meta.url).href)});
    const log = createLog({ level: "info", format: "auto", clock: { wall: () => 0 } });
    process.on("SIGTERM", () => { log.info({}, "stopping"); ${ending} });
    for (let i = 0; i < ${count}; i++) log.info({ i }, "line");
    log.info({}, "ready");
    log.flush();
    setInterval(() => {}, 1000);
  `;

  for (const [name, ending] of [
    ["a flush and an exit", "log.flush(); process.exit(0);"],
    ["an exit alone", "process.exit(0);"],
    ["waiting until all is settled", "log.settled().then(() => process.exit(0));"],
  ] as const) {
    test(`no line is lost on SIGTERM by ${name}`, async () => {
      const child = run(program(ending));
      let text = "";
      child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
        if (!text.includes('"ready"') && (text + chunk).includes('"ready"')) child.kill("SIGTERM");
        text += chunk;
      });
      const code = await new Promise((resolve) => child.on("close", resolve));
      expect(code).toBe(0);
      const lines = text
        .trimEnd()
        .split("\n")
        .map((line): { message: string; i?: number } => JSON.parse(line));
      expect(new Set(lines.filter((line) => line.message === "line").map((line) => line.i)).size).toBe(count);
      expect(lines.filter((line) => line.message === "stopping")).toHaveLength(1);
    });
  }

  test("a quiet server's line comes by itself, and a process that is done writes its last one", async () => {
    const code = program("")
      .replace(/for \(let i[^;]*;[^;]*;[^;]*;/, "")
      .replace("log.flush();\n    setInterval(() => {}, 1000);", "");
    const child = run(code);
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    await new Promise((resolve) => child.on("close", resolve));
    expect(text).toContain('"ready"');
  });

  test("a reader that went away does not keep the process from ending", async () => {
    const child = run(program("log.flush(); process.exit(0);"));
    await new Promise((resolve) => child.stdout.once("data", resolve));
    child.stdout.destroy();
    child.kill("SIGTERM");
    expect(await new Promise((resolve) => child.on("close", resolve))).toBe(0);
  });
});

test("an overload is a warning at each change of level, and good news at its end", () => {
  const sink = memorySink();
  const log = logTo(sink);
  const pressures = { event_loop: 0.92, heap: 0.1, memory: 0.2, connections: 0.3 };
  overloadLine(log, { level: 2, resource: "event_loop", pressures });
  overloadLine(log, { level: 0, resource: "event_loop", pressures });
  expect(sink.lines()).toMatchObject([
    { level: "warn", message: "overloaded, calls are shed", sheds: ["low", "normal"], resource: "event_loop", pressures },
    { level: "info", message: "overload is over" },
  ]);
});
