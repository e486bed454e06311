/**
 * A server between callers and two providers, `first` and `second`, of which the policy prefers the first. Each test plays
 * with models of its own, so that what happens to one target says nothing about another's, and one process serves a file.
 */
import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import {
  chunk,
  completion,
  createUpstream,
  streamText,
  type Upstream,
  type UpstreamHandler,
  type UpstreamRequest,
} from "../support/scripted-upstream.ts";
import { type LogLine, type ServerProcess, startServer } from "../support/server.ts";

/** The two providers' names. */
export type Side = "first" | "second";

/** A model that both providers offer, or one alone. */
export interface Part {
  /** What callers ask for. */
  readonly model: string;
  /** What the side's upstream was asked for it. */
  asked(side: Side): readonly UpstreamRequest[];
  /** Another way to answer from now on. */
  plays(side: Side, handler: UpstreamHandler): void;
}

/** A server and its upstreams. */
export interface Scene extends AsyncDisposable {
  readonly server: ServerProcess;
  readonly url: string;
  /** A model that nobody has asked for yet; without a second handler only the first provider offers it. */
  part(first: UpstreamHandler, second?: UpstreamHandler): Part;
  /** The page of /metrics. */
  metrics(): Promise<Metrics>;
  /** A call with the admin token. */
  admin(path: string, init?: RequestInit): Promise<Response>;
  /** The JSON of one. */
  // oxlint-disable-next-line typescript/no-explicit-any -- as JSON.parse, and looked at by the test's matchers.
  adminJson(path: string): Promise<any>;
}

/** What a scene is made of. */
export interface SceneOptions {
  /** Default: failover from first to second. */
  readonly policy?: keyof typeof policies;
  /** Sections of the configuration beside server, health, providers and routing_policy. */
  readonly more?: string;
  /** Settings of the section `server` beside the port. */
  readonly serverSettings?: string;
  /** Of the models that both offer. Default: by their names, which say nothing of it. */
  readonly kind?: "embedding";
  /** Settings of provider `first`. */
  readonly firstSettings?: string;
}

const policies = {
  failover: "{type: failover, config: {primary_provider: first, backup_providers: [second], failover_delay: 1ms}}",
  cost_based: "{type: cost_based, config: {cost_weight: 1, latency_weight: 0, health_weight: 0}}",
} as const;
/** Models that both offer; as many as one file can want. */
const pairs = 100;

/** Starts both upstreams and the server. */
export async function createScene(options: SceneOptions = {}): Promise<Scene> {
  const open = new AsyncDisposableStack();
  const handlers = new Map<string, UpstreamHandler>();
  const upstreamOf = async (side: Side): Promise<Upstream> =>
    open.use(
      await createUpstream((reply, request, ordinal) => {
        const handler = handlers.get(`${side}/${modelOf(request)}`);
        if (handler === undefined) return reply.error(404, "this upstream has no such model");
        return handler(reply, request, ordinal);
      }),
    );
  const upstreams = { first: await upstreamOf("first"), second: await upstreamOf("second") };
  const kind = options.kind === undefined ? "" : `, kind: ${options.kind}`;
  const models = (price: number): string =>
    Array.from({ length: pairs }, (_, i) => `{id: pair-${i}${kind}, input_price: ${price}, output_price: ${price}}`).join(", ");
  const server = open.use(
    await startServer(`
server: {port: 0, drain_timeout: 1s, ${options.serverSettings ?? ""}}
health: {probe: none}
routing_policy: ${policies[options.policy ?? "failover"]}
providers:
  first: {type: openai_compatible, base_url: "${upstreams.first.url}/v1", models: [${models(1)}], ${options.firstSettings ?? ""}}
  second: {type: openai_compatible, base_url: "${upstreams.second.url}/v1", models: [${models(2)}]}
${options.more ?? "resilience: {retry: {base_delay: 1ms}}"}
`),
  );
  const admin: Scene["admin"] = (path, init = {}) =>
    fetch(`${server.url}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${server.adminToken ?? ""}`, "content-type": "application/json" },
    });
  let parts = 0;
  return {
    server,
    url: server.url,
    part(first, second) {
      const name = second === undefined ? `lone-${parts++}` : `pair-${parts++}`;
      if (parts > pairs) throw new Error("a scene has no more models");
      const part: Part = {
        model: second === undefined ? `first/${name}` : name,
        asked: (side) => upstreams[side].requests.filter((request) => modelOf(request) === name),
        plays: (side, handler) => void handlers.set(`${side}/${name}`, handler),
      };
      part.plays("first", first);
      if (second !== undefined) part.plays("second", second);
      return part;
    },
    metrics: async () => metricsFrom(await (await fetch(`${server.url}/metrics`)).text()),
    admin,
    adminJson: async (path) => (await admin(path)).json(),
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

function modelOf({ body }: UpstreamRequest): string {
  return typeof body === "object" && body !== null && "model" in body ? String(body.model) : "";
}

/** Whether the upstream was asked for a stream. */
export function isStreamed({ body }: UpstreamRequest): boolean {
  return typeof body === "object" && body !== null && "stream" in body && body.stream === true;
}

/** Answers well, whole or streamed as it was asked. */
export function says(...pieces: readonly string[]): UpstreamHandler {
  return (reply, request) => (isStreamed(request) ? streamText(reply, pieces) : reply.json(completion(pieces.join(""))));
}

/** Refuses with a status. */
export function fails(status: number, headers?: Readonly<Record<string, string>>, message = `scripted ${status}`): UpstreamHandler {
  const type = status === 400 ? "invalid_request_error" : status === 403 ? "permission_error" : "server_error";
  return (reply) => reply.json({ error: { message, type, param: null, code: null } }, status, headers);
}

/** Breaks off at once; a stream after its head and a delta without content. */
export const breaksOff: UpstreamHandler = async (reply, request) => {
  if (!isStreamed(request)) return reply.reset();
  reply.sse().data(chunk({ role: "assistant", content: "" }));
  // The head has to have left the kernel before the reset throws away what is unsent.
  await soon();
  reply.reset();
};

/** Never answers. */
export const isSilent: UpstreamHandler = () => {};

/** One piece of a stream, and no more. */
export const stallsAfterContent: UpstreamHandler = (reply) => {
  reply
    .sse()
    .data(chunk({ role: "assistant", content: "" }))
    .data(chunk({ content: "half" }));
};

/** One piece of a stream, and its socket ends. */
export const breaksOffInContent: UpstreamHandler = async (reply) => {
  reply
    .sse()
    .data(chunk({ role: "assistant", content: "" }))
    .data(chunk({ content: "half" }));
  await soon();
  reply.reset();
};

/** Lets sockets move. */
export function soon(ms = 20): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

/** Waits until what is looked at is so; the message tells what never was. */
export async function until(isSo: () => boolean | Promise<boolean>, what: string, withinMs = 5000): Promise<number> {
  const startMs = performance.now();
  while (!(await isSo())) {
    if (performance.now() - startMs > withinMs) throw new Error(`not within ${withinMs} ms: ${what}`);
    await soon(5);
  }
  return performance.now() - startMs;
}

/** Numbers of a page of metrics. */
export interface Metrics {
  /** Sum over all series of the name that have these labels; 0 where there is none. */
  sum(name: string, labels?: Readonly<Record<string, string>>): number;
  readonly text: string;
}

/** Reads a page of metrics. */
export function metricsFrom(text: string): Metrics {
  return {
    text,
    sum(name, labels = {}) {
      let sum = 0;
      for (const line of text.split("\n")) {
        const [, found, inner = "", value] = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
        if (found !== `semaroute_${name}`) continue;
        if (Object.entries(labels).every(([label, wanted]) => `,${inner},`.includes(`,${label}="${wanted}",`))) sum += Number(value);
      }
      return sum;
    },
  };
}

/** An id to find the call by, and the way to find it. */
export function tracked(server: ServerProcess): { readonly headers: Record<string, string>; readonly line: () => Promise<LogLine> } {
  const id = randomUUID();
  const isIt = (line: LogLine): boolean => line["message"] === "call" && line["request_id"] === id;
  return { headers: { "x-request-id": id }, line: () => server.logged(isIt) };
}

/** The gauges of running calls and of providers at work are back at zero. */
export async function expectNothingInFlight(scene: Scene): Promise<void> {
  const inFlight = async (): Promise<number> => {
    const metrics = await scene.metrics();
    return metrics.sum("calls_in_flight") + metrics.sum("provider_in_flight");
  };
  await until(async () => (await inFlight()) === 0, "no call is in flight");
  expect(await inFlight()).toBe(0);
}
