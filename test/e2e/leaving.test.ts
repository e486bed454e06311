/** A caller who leaves stops the upstream call, in every phase and by every door. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect, constants } from "node:http2";
import { chunk, type UpstreamHandler } from "../support/scripted-upstream.ts";
import { type DoorClient, doorClients } from "./doors.ts";
import {
  createScene,
  expectNothingInFlight,
  fails,
  isSilent,
  type Part,
  says,
  type Scene,
  soon,
  stallsAfterContent,
  tracked,
  until,
} from "./scene.ts";

/** The contract's bound, and what a loaded machine is granted on top of it. */
const goalMs = 250;
const grantedMs = 1000;

let scene: Scene;
const measured: string[] = [];
beforeAll(async () => {
  scene = await createScene({
    policy: "cost_based",
    more: "resilience: {retry: {base_delay: 30s, max_delay: 30s}, circuit_breaker: {consecutive_failures: 1, open: 60s}}",
  });
});
afterAll(async () => {
  await scene[Symbol.asyncDispose]();
  console.log(`upstream sockets closed after leaving (goal ${goalMs} ms):\n${measured.join("\n")}`);
});

interface Phase {
  readonly name: string;
  readonly plays: UpstreamHandler;
  /** When the caller is to leave. */
  readonly isThere: (part: Part, text: string) => boolean;
}

const asked = (part: Part): boolean => part.asked("first").length > 0;
const begun: UpstreamHandler = (reply) => void reply.sse().data(chunk({ role: "assistant", content: "" }));
const waitsForHead: Phase = { name: "while the upstream has not answered", plays: isSilent, isThere: asked };
const waitsForContent: Phase = { name: "while waiting for the first content", plays: begun, isThere: asked };
const inTheMiddle: Phase = { name: "in the middle of the answer", plays: stallsAfterContent, isThere: (_part, text) => text === "half" };

/** Milliseconds from leaving until the upstream's socket was closed. */
async function leave(door: DoorClient, { plays, isThere, name }: Phase): Promise<Part> {
  const part = scene.part(plays);
  const { headers, line } = tracked(scene.server);
  const leaving = new AbortController();
  let text = "";
  const onText = (piece: string): void => void (text += piece);
  const call = door.ask(scene.url, { model: part.model, headers, signal: leaving.signal, onText }).then(
    () => "answered",
    () => "left",
  );
  await until(() => isThere(part, text), "the phase has come");
  const leftMs = performance.now();
  leaving.abort();
  expect(await Promise.race([part.asked("first")[0]?.closed, soon(grantedMs).then(() => "open")])).toBe("cut");
  measured.push(`${(performance.now() - leftMs).toFixed(0).padStart(5)} ms  ${door.name}, ${name}`);
  expect(await call).toBe("left");
  expect(await line()).toMatchObject({ level: "info", door: door.door, reason: "CANCELLED", status: 499, attempts: 1 });
  return part;
}

describe.each(doorClients)("$name", (door) => {
  for (const phase of door.streamed ? [waitsForHead, waitsForContent, inTheMiddle] : [waitsForHead]) {
    test.concurrent(`a caller who leaves ${phase.name} closes the upstream socket, and blames nobody`, async () => {
      const part = await leave(door, phase);
      part.plays("first", says("still trusted"));
      const answer = await door.ask(scene.url, { model: part.model });
      expect([answer.text, answer.headers.get("x-semaroute-attempts")]).toEqual(["still trusted", "1"]);
    });
  }

  test.concurrent("a caller who leaves during the pause before another attempt causes no more attempts", async () => {
    const part = scene.part(fails(429, { "retry-after-ms": "4000" }));
    const { headers, line } = tracked(scene.server);
    const leaving = new AbortController();
    const call = door.ask(scene.url, { model: part.model, headers, signal: leaving.signal }).catch(() => "left");
    await until(() => asked(part), "the first attempt was made");
    await part.asked("first")[0]?.closed;
    await soon(50);
    const leftMs = performance.now();
    leaving.abort();
    expect(await call).toBe("left");
    expect(await line()).toMatchObject({ reason: "CANCELLED", attempts: 1, tries: [{ reason: "RATE_LIMITED" }] });
    // The log is written some time after the call's end, in batches.
    expect(performance.now() - leftMs).toBeLessThan(grantedMs + 500);
    expect(part.asked("first")).toHaveLength(1);
  });
});

test("a gRPC stream that is reset, and a connection that breaks, are callers who leave", async () => {
  for (const how of ["reset", "destroy"] as const) {
    const part = scene.part(stallsAfterContent);
    const { headers, line } = tracked(scene.server);
    const session = connect(scene.url);
    session.on("error", () => {});
    const stream = session.request({
      ":method": "POST",
      ":path": "/semaroute.v1.RouterService/StreamChat",
      "content-type": "application/grpc+json",
      te: "trailers",
      ...headers,
    });
    stream.on("error", () => {});
    const body = Buffer.from(JSON.stringify({ model: part.model, messages: [{ role: "ROLE_USER", text: "hi" }] }));
    const head = Buffer.alloc(5);
    head.writeUInt32BE(body.length, 1);
    stream.end(Buffer.concat([head, body]));
    await new Promise((resolve) => stream.once("data", resolve));
    const leftMs = performance.now();
    if (how === "reset") stream.close(constants.NGHTTP2_CANCEL);
    else session.destroy();
    expect(await Promise.race([part.asked("first")[0]?.closed, soon(grantedMs).then(() => "open")])).toBe("cut");
    measured.push(`${(performance.now() - leftMs).toFixed(0).padStart(5)} ms  raw gRPC, ${how}`);
    expect(await line()).toMatchObject({ door: "grpc", reason: "CANCELLED" });
    session.destroy();
  }
});

test("of two equal callers who share an answer one may leave; when both have left, the upstream's socket is closed", async () => {
  const part = scene.part(stallsAfterContent);
  const callers = [new AbortController(), new AbortController()].map((leaving) => ({ leaving, text: "" }));
  const calls = callers.map(async (caller) => {
    const response = await fetch(`${scene.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: part.model, messages: [{ role: "user", content: "hi" }], temperature: 0, stream: true }),
      signal: caller.leaving.signal,
    });
    for await (const bytes of response.body ?? []) caller.text += Buffer.from(bytes).toString();
  });
  const settled = Promise.allSettled(calls);
  await until(() => callers.every(({ text }) => text.includes("half")), "both have had the first content");
  expect(part.asked("first")).toHaveLength(1);
  let over = false;
  void part.asked("first")[0]?.closed.then(() => (over = true));
  callers[0]?.leaving.abort();
  await scene.server.logged(({ reason, model }) => reason === "CANCELLED" && model === part.model);
  expect(over).toBe(false);
  callers[1]?.leaving.abort();
  await until(() => over, "the upstream's socket is closed", grantedMs);
  await settled;
});

test("when all have left, nothing is in flight and every breaker is closed", async () => {
  await expectNothingInFlight(scene);
  const metrics = await scene.metrics();
  expect(metrics.sum("target_breaker_open")).toBe(0);
  expect(metrics.sum("calls_total", { outcome: "cancelled" })).toBeGreaterThanOrEqual(doorClients.length * 2);
});
