/** What the tests of system faults share: a configuration of some upstreams, callers who go on asking, a port. */
import { createServer } from "node:net";
import { type DoorClient, doorClients } from "../e2e/doors.ts";
import { soon } from "../e2e/scene.ts";
import { chunk } from "../support/scripted-upstream.ts";
import type { LogLine, ServerProcess } from "../support/server.ts";
import { chunked, event } from "./steps.ts";
import type { ScriptedUpstream } from "./upstream.ts";

/** A stream's first event, without content. */
export const begun = event(chunk({ role: "assistant", content: "" }));
/** An event with content. */
export const piece = (content: string): string => event(chunk({ content }));
/** A stream's last events. */
export const ended = [event(chunk({}, "stop")), event("[DONE]")];
/** Events as the chunks of a body. */
export const chunks = (...events: readonly string[]): Buffer => Buffer.concat(events.map((each) => chunked(each)));

const mainDoors = doorClients.filter(({ name }) => ["REST", "SSE", "grpc stream", "connect unary"].includes(name));

/** A provider for each upstream, the first the cheapest, each with model `m`; `both` is any of them. */
export function config(upstreams: Readonly<Record<string, ScriptedUpstream>>, more = ""): string {
  const providers = Object.entries(upstreams).map(
    ([name, { port }], at) =>
      `  ${name}: {type: openai_compatible, base_url: "http://127.0.0.1:${port}/v1", api_key: ${name}-key, models: [{id: m, input_price: ${at + 1}, output_price: ${at + 1}}]}`,
  );
  return `
server: {port: 0, drain_timeout: 9s}
health: {probe: none}
routing_policy: {type: cost_based, config: {cost_weight: 1, latency_weight: 0, health_weight: 0}}
resilience: {max_attempts: 3, retry: {base_delay: 1ms, max_delay: 2ms, budget: 1}}
models: {both: {targets: [${Object.keys(upstreams)
    .map((name) => `${name}/m`)
    .join(", ")}]}}
${more}
providers:
${providers.join("\n")}
`;
}

/** What callers got. */
export interface LoadReport {
  readonly calls: number;
  readonly failures: readonly string[];
}

/** Callers who ask again and again until they are told to stop. */
export function load(server: ServerProcess, model: string): { stop(): Promise<LoadReport> } {
  const stopping = new AbortController();
  let calls = 0;
  const failures: string[] = [];
  const caller = async (door: DoorClient): Promise<void> => {
    while (!stopping.signal.aborted) {
      await door.ask(server.url, { model }).catch((error: unknown) => failures.push(`${door.name}: ${String(error)}`));
      calls++;
      await soon(5);
    }
  };
  const callers = mainDoors.map((door) => caller(door));
  return {
    async stop() {
      stopping.abort();
      await Promise.all(callers);
      return { calls, failures };
    },
  };
}

/** How often the configuration was read again. */
export const reloads = (server: ServerProcess): number =>
  server.lines.filter(({ message }) => message === "configuration reloaded" || message === "configuration refused, the old one stays")
    .length;
/** Whether the line says that a configuration was refused. */
export const isRefusal = ({ message }: LogLine): boolean => message === "configuration refused, the old one stays";

/** A port that nobody listens at. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
