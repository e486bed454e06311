/** K01: a caller who leaves stops the upstream call, in every phase and by every door, and nobody is blamed for it. */
import { afterAll, beforeAll, describe, expect } from "vitest";
import { type DoorClient, doorClient, doorClients, Refused } from "../e2e/doors.ts";
import { messagesDoors } from "../e2e/messages-door.ts";
import { soon, tracked, until } from "../e2e/scene.ts";
import { askUntilCancelled } from "../e2e/websocket.ts";
import { type BlackHole, createBlackHole, noBlackHole } from "./black-hole.ts";
import { grantedMs, half, phases, type Phase, type UnderWay } from "./caller-leaving.ts";
import { canaries } from "./canaries.ts";
import { cell } from "./play.ts";
import { createFaultScene, expectAllClean, type FaultScene } from "./scene.ts";
import type { Skipped } from "./table.ts";
import type { SeenConnection } from "./upstream.ts";

/** The contract's bound. */
const goalMs = 250;

let scene: FaultScene;
let hole: BlackHole | undefined;
const measured: { readonly ms: number; readonly what: string }[] = [];

/** Leaves the call, and not its socket. */
const cancelling: DoorClient = { ...doorClient("WebSocket"), name: "WebSocket, by its cancel frame", ask: askUntilCancelled };
const doors = [...doorClients, cancelling, ...messagesDoors];
const modelOf = ({ name }: Pick<Phase, "name">, door: DoorClient): string => `${name}-${doors.indexOf(door)}`;

beforeAll(async () => {
  hole = noBlackHole === undefined ? await createBlackHole() : undefined;
  const baseUrls = { "black hole": () => `http://127.0.0.1:${hole?.port}`, https: (port: number) => `https://127.0.0.1:${port}` };
  scene = await createFaultScene({
    faulty: phases.map((phase) => ({
      name: phase.name,
      script: phase.script,
      settings: phase.settings,
      models: ["holder", ...doors.map((door) => modelOf(phase, door))],
      baseUrl: phase.at && baseUrls[phase.at],
    })),
    shared: [],
    timeouts: "connect: 30s, first_token: 30s, idle: 30s, progress: 30s, total: 60s",
    // One failure that counts would be seen.
    resilience:
      "max_attempts: 3, retry: {base_delay: 1ms, max_delay: 2ms, budget: 1}, circuit_breaker: {consecutive_failures: 1, open: 60s}",
  });
});
afterAll(async () => {
  await scene[Symbol.asyncDispose]();
  await hole?.[Symbol.asyncDispose]();
  const worst = measured.toSorted((a, b) => b.ms - a.ms).slice(0, 3);
  const lines = worst.map(({ ms, what }) => `${ms.toFixed(0).padStart(6)} ms  ${what}`);
  console.log(
    `K01: ${measured.length} upstream connections closed after their callers left; goal ${goalMs} ms, the slowest:\n${lines.join("\n")}`,
  );
});

const skipOf = ({ only, at }: Phase, { streamed }: DoorClient): Skipped | undefined => {
  if (only === "streamed" && !streamed) return { skip: "a whole answer has no middle of a stream" };
  if (only === "whole" && streamed) return { skip: "a stream has no body that is read whole" };
  return at === "black hole" && noBlackHole !== undefined ? { skip: noBlackHole } : undefined;
};

describe("callers who leave", () => {
  for (const phase of phases) {
    const fault = `leaves ${phase.when}`;
    for (const door of doors) cell({ id: "K01", fault, protocol: door.name }, skipOf(phase, door) ?? (() => leave(door, phase)));
  }

  cell(
    { id: "K01", fault: "two equal callers share an answer: one may leave, and when both have left it is stopped", protocol: "SSE" },
    async () => {
      const upstream = scene.upstream("streaming");
      const before = upstream.connections.length;
      const body = JSON.stringify({
        model: `streaming/${modelOf({ name: "streaming" }, doorClient("SSE"))}`,
        messages: [{ role: "user", content: canaries.prompt }],
        temperature: 0,
        stream: true,
      });
      const callers = [new AbortController(), new AbortController()].map((leaving) => ({ leaving, text: "", ...tracked(scene.server) }));
      const calls = callers.map(async (caller) => {
        const headers = { "content-type": "application/json", ...scene.headers, ...caller.headers };
        const response = await fetch(`${scene.url}/v1/chat/completions`, { method: "POST", headers, body, signal: caller.leaving.signal });
        for await (const bytes of response.body ?? []) caller.text += Buffer.from(bytes).toString();
      });
      const settled = Promise.allSettled(calls);
      await until(() => callers.every(({ text }) => text.includes(half)), "both have had the first content");
      expect(upstream.connections.length - before).toBe(1);
      const [first, second] = callers;
      first?.leaving.abort();
      expect(await first?.line()).toMatchObject({ reason: "CANCELLED" });
      expect(upstream.connections[before]?.closedMs).toBeUndefined();
      second?.leaving.abort();
      await until(() => upstream.connections[before]?.closedMs !== undefined, "the upstream's connection is closed", grantedMs);
      await settled;
    },
  );

  cell(
    { id: "K01", fault: "all of them: nothing in flight, nothing held, nothing told", protocol: "process" },
    () =>
      expectAllClean(
        scene,
        phases.map(({ name }) => name),
      ),
    40_000,
  );
});

async function leave(door: DoorClient, phase: Phase): Promise<void> {
  const upstream = scene.upstream(phase.name);
  const model = modelOf(phase, door);
  await using open = new AsyncDisposableStack();
  const holder = phase.held === true ? open.use(await hold(phase)) : undefined;
  const before = upstream.connections.length;
  const made = (await scene.metrics()).sum("attempts_total", { model });

  const { headers, line } = tracked(scene.server);
  const leaving = new AbortController();
  let text = "";
  const onText = (piece: string): void => void (text += piece);
  const { temperature } = phase;
  const question = { model: `${phase.name}/${model}`, content: canaries.prompt, temperature, headers: { ...scene.headers, ...headers } };
  const call = door.ask(scene.url, { ...question, signal: leaving.signal, onText }).then(
    () => "answered",
    (thrown: unknown) => (thrown instanceof Refused ? thrown.word : "left"),
  );
  // Whatever goes wrong here, the next cell shall find nobody.
  open.defer(async () => {
    leaving.abort();
    await call;
  });
  const now = async (): Promise<UnderWay> => {
    const metrics = await scene.metrics();
    return {
      upstream,
      asked: scene.asked(model).length,
      connections: upstream.connections.length - before,
      text,
      working: metrics.sum("provider_in_flight", { provider: phase.name }),
      running: metrics.sum("calls_in_flight"),
      waiting: phase.at === "black hole" ? (hole?.waiting() ?? 0) : 0,
    };
  };
  await until(async () => phase.isThere(await now()), `the caller ${phase.when}`);
  // What the upstream has sent is with the server, too.
  await soon();

  const leftMs = performance.now();
  leaving.abort();
  if (phase.idle === undefined)
    measured.push({ ms: (await closing(phase, upstream.connections[before])) - leftMs, what: `${door.name}, ${phase.when}` });
  expect(await call).toBe(door === cancelling ? "cancelled" : "left");

  const logged = await line();
  expect(logged).toMatchObject({ level: "info", door: door.door, reason: "CANCELLED", status: 499, attempts: phase.attempts });
  if (phase.usage === true)
    expect([logged["input_tokens"], logged["output_tokens"]]).toEqual([expect.toSatisfy(isPositive), expect.toSatisfy(isPositive)]);
  await holder?.[Symbol.asyncDispose]();
  await until(async () => {
    const { working, running } = await now();
    return working === 0 && running === 0;
  }, "the slot and the call's place are free");
  const metrics = await scene.metrics();
  expect(metrics.sum("attempts_total", { model }) - made, "attempts_total").toBe(phase.attempts);
  expect(metrics.sum("target_breaker_open"), "open breakers").toBe(0);
  expect(await scene.admin(`/admin/providers/${phase.name}/health`)).not.toMatch(/BREAKER_STATE_(?!CLOSED)/);
  const connects = phase.at === undefined;
  if (connects) expect(scene.asked(model), "requests that the upstream saw").toHaveLength(phase.attempts);
}

/** When the upstream's connection was closed; a connection that was never made, when nobody waited for it any more. */
async function closing({ at }: Phase, connection: SeenConnection | undefined): Promise<number> {
  const isClosed = at === "black hole" ? () => hole?.waiting() === 0 : () => connection?.closedMs !== undefined;
  await until(isClosed, "the upstream's connection is closed", grantedMs);
  return connection?.closedMs ?? performance.now();
}

function isPositive(value: unknown): boolean {
  return typeof value === "number" && value > 0;
}

/** Takes the provider's only slot. */
async function hold({ name }: Phase): Promise<AsyncDisposable> {
  const leaving = new AbortController();
  const asked = scene.asked("holder").length;
  const left = doorClient("REST")
    .ask(scene.url, { model: `${name}/holder`, headers: scene.headers, signal: leaving.signal })
    .catch(() => undefined);
  await until(() => scene.asked("holder").length > asked, "the slot is taken");
  return {
    async [Symbol.asyncDispose]() {
      leaving.abort();
      await left;
    },
  };
}
