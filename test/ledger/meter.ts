/**
 * A vendor that keeps its own books: every request it got, and what it told of its use, to compare with the ledger. It has a bad
 * day now and then, drawn from a seed; what is asked with `hang` or `stall` is never answered to its end.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

/** What was used, as the vendor told it. */
export interface Told {
  readonly input: number;
  readonly output: number;
  /** Part of the input. */
  readonly cached: number;
}

/** A request that the vendor got. */
export interface Metered {
  /** Its `x-request-id`. */
  readonly id: string;
  script: string;
  /** Undefined: it told nothing, or broke off before it did. */
  told: Told | undefined;
}

/** A running vendor. */
export interface Meter extends AsyncDisposable {
  readonly name: string;
  readonly url: string;
  readonly requests: ReadonlyMap<string, Metered>;
}

/** What it is asked, as far as it matters. */
interface Asked {
  readonly stream: boolean;
  readonly embeds: boolean;
  readonly tools: boolean;
  readonly text: string;
}

interface Turn {
  readonly asked: Asked;
  readonly response: ServerResponse;
  readonly entry: Metered;
  readonly use: Told;
}

type Script = (turn: Turn) => void;

/** Starts a vendor on a free port; a `share` of its requests goes wrong. */
export async function createMeter(name: string, share: number, seed: number): Promise<Meter> {
  const random = randomFrom(seed);
  const requests = new Map<string, Metered>();
  const served = new WeakSet<object>();
  const server = createServer((request, response) => {
    request.on("error", ignore);
    response.on("error", ignore);
    const entry: Metered = { id: `${name}-${requests.size + 1}`, script: "unread", told: undefined };
    requests.set(entry.id, entry);
    response.setHeader("x-request-id", entry.id);
    const isFirst = !served.has(request.socket);
    served.add(request.socket);
    void readText(request).then((body) => {
      const asked = askedFrom(request.url ?? "", body);
      const drawn = scriptFor(asked, random, share);
      // What is closed without a word where it has served before is taken for stale, and asked once more within the same attempt.
      const script = (drawn === "reset" || drawn === "cut") && !isFirst ? "error" : drawn;
      entry.script = script;
      const input = 1 + Math.floor(random() * 5000);
      const cached = random() < 0.3 ? Math.floor(random() * input) : 0;
      const use = { input, output: asked.embeds ? 0 : 1 + Math.floor(random() * 2000), cached };
      scripts[script]({ asked, response, entry, use });
    }, ignore);
  });
  // Never in the way of a request that comes at the same moment.
  server.keepAliveTimeout = 600_000;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the vendor has no port");
  return {
    name,
    url: `http://127.0.0.1:${address.port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

const scripts = {
  well: (turn) =>
    turn.asked.stream ? streamed(turn, (response) => response.end(`${chunk({}, "stop")}${usageOf(turn)}data: [DONE]\n\n`)) : whole(turn),
  /** Another's answer mostly ends it before. */
  slow(turn) {
    const timer = setTimeout(() => scripts.well(turn), 500);
    turn.response.once("close", () => clearTimeout(timer));
  },
  hang: () => {},
  stall: (turn) => (turn.asked.stream ? streamed(turn, ignore) : undefined),
  error: ({ response }) => refuse(response, 500),
  limited: ({ response }) => refuse(response, 429, { "retry-after-ms": "20" }),
  reset: ({ response }) => response.socket?.resetAndDestroy(),
  cut: ({ response }) => void response.socket?.end(),
  html: ({ response }) => void response.writeHead(200, { "content-type": "text/html" }).end("<html>maintenance</html>"),
  truncated: ({ response }) => void response.writeHead(200, { "content-type": "application/json" }).end('{"choices":[{"mess'),
  overloaded(turn) {
    if (!turn.asked.stream) return refuse(turn.response, 529);
    turn.response.writeHead(200, { "content-type": "text/event-stream" });
    turn.response.end('data: {"error":{"message":"busy","type":"overloaded_error"}}\n\n');
  },
  /** Broken off in its middle, before anything was told. */
  broken: (turn) => (turn.asked.stream ? streamed(turn, (response) => response.end()) : refuse(turn.response, 500)),
  failing: (turn) =>
    turn.asked.stream
      ? streamed(turn, (response) => void response.end('data: {"error":{"message":"busy","type":"server_error"}}\n\n'))
      : refuse(turn.response, 500),
  /** Tells what it used, and breaks off before its end. */
  short: (turn) => (turn.asked.stream ? streamed(turn, (response) => response.end(usageOf(turn))) : refuse(turn.response, 503)),
} as const satisfies Record<string, Script>;

type ScriptName = keyof typeof scripts;

const faults: readonly ScriptName[] = [
  "error",
  "limited",
  "reset",
  "cut",
  "html",
  "truncated",
  "overloaded",
  "broken",
  "failing",
  "short",
  "slow",
];

function scriptFor({ text }: Asked, random: () => number, share: number): ScriptName {
  if (text.startsWith("hang")) return "hang";
  if (text.startsWith("stall")) return "stall";
  if (random() >= share) return "well";
  return faults[Math.floor(random() * faults.length)] ?? "well";
}

function streamed({ response, asked }: Turn, end: (response: ServerResponse) => void): void {
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.write(chunk({ role: "assistant", content: "" }));
  if (asked.tools)
    response.write(chunk({ tool_calls: [{ index: 0, id: "call_1", type: "function", function: { name: "look", arguments: "{}" } }] }));
  for (let piece = 0; piece < 3; piece++) response.write(chunk({ content: "word " }));
  setImmediate(end, response);
}

function whole({ response, asked, entry, use }: Turn): void {
  const { input, output, cached } = use;
  const usage = {
    prompt_tokens: input,
    completion_tokens: output,
    total_tokens: input + output,
    prompt_tokens_details: { cached_tokens: cached },
  };
  const call = { id: "call_1", type: "function", function: { name: "look", arguments: "{}" } };
  const message = { role: "assistant", content: asked.tools ? null : "a word", ...(asked.tools && { tool_calls: [call] }) };
  entry.told = asked.embeds ? { input, output: 0, cached: 0 } : use;
  const body = asked.embeds
    ? {
        object: "list",
        data: [{ object: "embedding", index: 0, embedding: [0.5, 0.25] }],
        model: "e",
        usage: { prompt_tokens: input, total_tokens: input },
      }
    : {
        id: "c",
        object: "chat.completion",
        created: 1,
        model: "m",
        choices: [{ index: 0, message, finish_reason: asked.tools ? "tool_calls" : "stop" }],
        usage,
      };
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
}

/** The event that tells what was used; from now on it was told. */
function usageOf({ entry, use, response }: Turn): string {
  if (response.destroyed) return "";
  entry.told = use;
  const { input, output, cached } = use;
  const usage = {
    prompt_tokens: input,
    completion_tokens: output,
    total_tokens: input + output,
    prompt_tokens_details: { cached_tokens: cached },
  };
  return `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices: [], usage })}\n\n`;
}

function chunk(delta: object, finish_reason: string | null = null): string {
  const choices = [{ index: 0, delta, finish_reason }];
  return `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices })}\n\n`;
}

function refuse(response: ServerResponse, status: number, headers: Readonly<Record<string, string>> = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify({ error: { message: `metered ${status}`, type: "server_error", param: null, code: null } }));
}

function askedFrom(path: string, body: string): Asked {
  const { stream, tools, messages, input } = JSON.parse(body);
  const last = messages?.at(-1)?.content;
  const text = typeof last === "string" ? last : (last?.[0]?.text ?? String(input));
  return { stream: stream === true, embeds: path.endsWith("/embeddings"), tools: Array.isArray(tools), text };
}

async function readText(message: IncomingMessage): Promise<string> {
  let text = "";
  message.setEncoding("utf8");
  for await (const part of message) text += String(part);
  return text;
}

/** Mulberry32 (Tommy Ettinger, public domain). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function ignore(): void {}
