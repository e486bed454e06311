/**
 * One server process between callers and upstreams: a provider of its own for each fault, on a listener of its own, and
 * beside them one that is well. A model of its own for each cell keeps their targets, log lines and metrics apart, so
 * that cells may run side by side.
 */
import { globalAgent } from "node:http";
import { Agent, getGlobalDispatcher, setGlobalDispatcher } from "undici";
import { expect } from "vitest";
import { type Metrics, metricsFrom, until } from "../e2e/scene.ts";
import { type LogLine, type ServerProcess, startServer } from "../support/server.ts";
import { wholeOf, streamOf } from "./bodies.ts";
import { canaries, expectNoCanary } from "./canaries.ts";
import { byKind, type Script } from "./steps.ts";
import { createScriptedUpstream, type ScriptedUpstream, type SeenRequest, type UpstreamOptions } from "./upstream.ts";

/** A provider that is faulty, and the upstream behind it. */
export interface FaultyProvider extends UpstreamOptions {
  /** Also the prefix of `provider/model`. */
  readonly name: string;
  readonly script: Script;
  /** What callers ask it for. */
  readonly models: readonly string[];
  /** Further settings of the provider, such as `timeout: 400ms`. */
  readonly settings?: string | undefined;
  /** Default: openai_compatible. */
  readonly type?: "openai_compatible" | "anthropic" | undefined;
  /** A provider for each model, called as the model: its failure is a credential's, which all models of a provider share. */
  readonly apart?: true | undefined;
  /** Where the server calls it. Default: the listener, by http. */
  readonly baseUrl?: ((port: number) => string) | undefined;
}

/** What a scene is made of. */
export interface FaultSceneOptions {
  readonly faulty: readonly FaultyProvider[];
  /** Models that the healthy provider offers too, at a higher price, so that it is asked second. */
  readonly shared: readonly string[];
  /** What the healthy provider does. Default: it says `wellSaid`. */
  readonly healthyScript?: Script | undefined;
  /** Calls that each provider takes at once: few enough that places which are not given back soon show. Default: the server's. */
  readonly maxConcurrent?: number | undefined;
  /** Settings of `resilience.timeouts`. Default: such as no cell waits for. */
  readonly timeouts?: string | undefined;
  /** Other settings of `resilience`. Default: three attempts with hardly a pause, and a budget that forbids none. */
  readonly resilience?: string | undefined;
  /** Settings of `server` beside port and drain. */
  readonly serverSettings?: string | undefined;
  /** Further sections. */
  readonly more?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
}

/** A running scene. */
export interface FaultScene extends AsyncDisposable {
  readonly server: ServerProcess;
  readonly url: string;
  /** Headers of every call: the caller's key. */
  readonly headers: Readonly<Record<string, string>>;
  readonly healthy: ScriptedUpstream;
  upstream(name: string): ScriptedUpstream;
  /** Every upstream ends what is open, as vendors do with idle connections. */
  hangUp(): void;
  /** What all upstreams were asked for the model. */
  asked(model: string): readonly SeenRequest[];
  metrics(): Promise<Metrics>;
  /** The text of an answer to the admin token. */
  admin(path: string): Promise<string>;
  /** What the process held open before the first cell. */
  readonly baseline: Holdings;
}

/** What a process holds. */
export interface Holdings {
  readonly files: number;
  readonly timers: number;
}

/** Long enough for a machine that is busy with other tests. */
const calmTimeouts = "connect: 3s, first_token: 8s, idle: 8s, progress: 10s, total: 15s";
/** As short as a cell that waits for one may be. */
export const shortTimeouts = "connect: 700ms, first_token: 800ms, idle: 800ms, progress: 1200ms, total: 4s";
const resilienceDefault = "max_attempts: 3, retry: {base_delay: 1ms, max_delay: 2ms, budget: 1}";

/** What the healthy provider answers. */
export const wellSaid = `from the healthy one: ${canaries.answer}`;

/** A whole answer, or a stream with its end, as asked. */
export function says(...pieces: readonly string[]): Script {
  return byKind([wholeOf(pieces.join(""))], [streamOf(...pieces)]);
}

/** Starts upstreams and server. */
export async function createFaultScene(options: FaultSceneOptions): Promise<FaultScene> {
  const open = new AsyncDisposableStack();
  const upstreams = new Map<string, ScriptedUpstream>();
  for (const { name, script, tls } of options.faulty) upstreams.set(name, open.use(await createScriptedUpstream(script, { tls })));
  const healthy = open.use(await createScriptedUpstream(options.healthyScript ?? says(wellSaid)));
  const all = [healthy, ...upstreams.values()];
  const server = open.use(await startServer(configOf(options, upstreams, healthy), options.env));
  const metrics = oneAtATime(async () => metricsFrom(await (await fetch(`${server.url}/metrics`)).text()));
  return {
    server,
    url: server.url,
    headers: { authorization: `Bearer ${canaries.callerKey}` },
    healthy,
    upstream(name) {
      const found = upstreams.get(name);
      if (found === undefined) throw new Error(`there is no upstream ${name}`);
      return found;
    },
    hangUp() {
      for (const each of all) each.hangUp();
    },
    asked: (model) => all.flatMap(({ requests }) => requests.filter((request) => request.model === model)),
    metrics,
    async admin(path) {
      const authorization = `Bearer ${server.adminToken ?? ""}`;
      return (await fetch(`${server.url}${path}`, { headers: { authorization } })).text();
    },
    baseline: holdingsFrom(await metrics()),
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

/** Reads no two pages side by side: who asks during one shares the next, which begins after it was asked for. */
function oneAtATime<T>(read: () => Promise<T>): () => Promise<T> {
  let running: Promise<unknown> = Promise.resolve();
  let next: Promise<T> | undefined;
  return () => {
    next ??= running.then(() => {
      const page = read();
      next = undefined;
      running = page.catch(() => undefined);
      return page;
    });
    return next;
  };
}

function configOf(options: FaultSceneOptions, upstreams: ReadonlyMap<string, ScriptedUpstream>, healthy: ScriptedUpstream): string {
  const places = options.maxConcurrent === undefined ? "" : `max_concurrent: ${options.maxConcurrent}, `;
  const models = (ids: readonly string[], price: number): string =>
    ids.map((id) => `{id: ${id}, input_price: ${price}, output_price: ${price}}`).join(", ");
  const faulty = options.faulty.flatMap(({ name, type, baseUrl, settings, models: ids, apart }) => {
    const port = upstreams.get(name)?.port ?? 0;
    const url = `${baseUrl?.(port) ?? `http://127.0.0.1:${port}`}${type === "anthropic" ? "" : "/v1"}`;
    const provider = (as: string, offered: readonly string[]): string =>
      `  ${as}: {type: ${type ?? "openai_compatible"}, base_url: "${url}", api_key: ${canaries.providerKey}-${as}, ${places}models: [${models(offered, 1)}], ${settings ?? ""}}`;
    return apart === true ? ids.map((id) => provider(id, [id])) : provider(name, ids);
  });
  return `
server: {port: 0, drain_timeout: 1s, ${options.serverSettings ?? ""}}
health: {probe: none}
auth: {keys: [{name: caller, key: ${canaries.callerKey}, priority: high}]}
routing_policy: {type: cost_based, config: {cost_weight: 1, latency_weight: 0, health_weight: 0}}
resilience: {${options.resilience ?? resilienceDefault}, timeouts: {${options.timeouts ?? calmTimeouts}}}
providers:
  healthy: {type: openai_compatible, base_url: "http://127.0.0.1:${healthy.port}/v1", api_key: ${canaries.providerKey}-healthy, ${places}timeout: 4s, models: [${models(options.shared, 2)}]}
${faulty.join("\n")}
${options.more ?? ""}
`;
}

/** What the process holds open now. */
export function holdingsFrom(metrics: Metrics): Holdings {
  const value = (pattern: RegExp): number => Number(pattern.exec(metrics.text)?.[1] ?? 0);
  return {
    files: value(/^process_open_fds (\d+)/m),
    timers: value(/^nodejs_active_resources\{type="Timeout"\} (\d+)/m),
  };
}

/**
 * What must hold when all cells of a scene are over: nothing in flight, one line a call, no word of a bug, no canary
 * anywhere, and, once upstreams and callers have hung up, no more sockets and timers than before the first. Targets that
 * cool down may keep a timer each: `timersMore`.
 */
export async function expectAllClean(scene: FaultScene, providers: readonly string[], timersMore = 0): Promise<void> {
  const { server } = scene;
  const inFlight = async (): Promise<number> => {
    const metrics = await scene.metrics();
    return metrics.sum("calls_in_flight") + metrics.sum("provider_in_flight");
  };
  await until(async () => (await inFlight()) === 0, "no call is in flight");

  const calls = (): readonly LogLine[] => server.lines.filter(({ message }) => message === "call");
  const counted = attemptsCounted(await scene.metrics());
  // Lines leave some time after what they tell of.
  await expect.poll(() => attemptsLogged(calls()), { timeout: 3000, message: "attempts_total, by model" }).toEqual(counted);
  expect(new Set(calls().map((line) => line["call_id"])).size, "no two lines for one call").toBe(calls().length);
  const bugs = server.lines.filter(({ level, message }) => level === "error" || message === "bug");
  expect(bugs.map((line) => JSON.stringify(line)).join("\n")).toBe("");
  expect(server.complaints()).toBe("");

  for (const line of server.lines) expectNoCanary(JSON.stringify(line), "the log");
  expectNoCanary((await scene.metrics()).text, "/metrics");
  const pages = ["/admin/providers", "/admin/stats", "/health", ...providers.map((name) => `/admin/providers/${name}/health`)];
  for (const page of pages) expectNoCanary(await scene.admin(page), page);

  await expectNothingHeld(scene, timersMore);
  expect(await server.stop(), "the exit code").toBe(0);
}

/** By the target's model; models without an attempt are left out. */
function attemptsLogged(calls: readonly LogLine[]): Readonly<Record<string, number>> {
  const sums: Record<string, number> = {};
  for (const { model, attempts } of calls) {
    const target = String(model).split("/").at(-1) ?? "";
    if (Number(attempts) > 0) sums[target] = (sums[target] ?? 0) + Number(attempts);
  }
  return sums;
}

/** The same, as the metrics have it. */
function attemptsCounted(metrics: Metrics): Readonly<Record<string, number>> {
  const sums: Record<string, number> = {};
  for (const [, model = "", value] of metrics.text.matchAll(/^semaroute_attempts_total\{[^}]*model="([^"]*)"[^}]*\} (\d+)$/gm))
    sums[model] = (sums[model] ?? 0) + Number(value);
  return sums;
}

const heldMs = 6000;

/** Idle connections are kept on purpose; when their other sides have gone, they and their timers must go too. */
async function expectNothingHeld(scene: FaultScene, timersMore: number): Promise<void> {
  scene.hangUp();
  // Callers keep idle connections longer than a test may last: fetch those of undici, Connect those of Node.
  const dispatcher = getGlobalDispatcher();
  setGlobalDispatcher(new Agent());
  await dispatcher.close();
  globalAgent.destroy();
  let held: Holdings = scene.baseline;
  const isBack = async (): Promise<boolean> => {
    held = holdingsFrom(await scene.metrics());
    return held.files <= scene.baseline.files && held.timers <= scene.baseline.timers + timersMore;
  };
  // Long enough for sessions of ours that have just become idle, and shorter than the time-outs that a call may leave behind.
  await until(isBack, "sockets and timers are back where they began", heldMs).catch((error: unknown) => {
    throw new Error(`the process holds ${JSON.stringify(held)}, at first ${JSON.stringify(scene.baseline)}`, { cause: error });
  });
}
