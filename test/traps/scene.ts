/**
 * A house between a test and its vendors: each trap plays with a model of its own, through real sockets on both sides. `up` is the
 * vendor with the trap, `well` one that is well and asked second, `claude` speaks Anthropic's language.
 */
import { expect } from "vitest";
import { createParser } from "eventsource-parser";
import type { House } from "../e2e/house.ts";
import { openHouse } from "../e2e/house.ts";
import { completion, createUpstream, type UpstreamHandler, type UpstreamRequest, streamText } from "../support/scripted-upstream.ts";

/** What came of a call. */
export interface Told {
  readonly status: number;
  readonly headers: Headers;
  /** As it came. */
  readonly body: string;
  /** Of a whole answer or of all chunks, added up. */
  readonly content: string;
  readonly reasoning: string;
  readonly refusal: string;
  readonly calls: readonly { readonly id: string; readonly name: string; readonly arguments: string }[];
  readonly finish: string | undefined;
  // oxlint-disable-next-line typescript/no-explicit-any -- as JSON.parse, and looked at by matchers.
  readonly usage: any;
  /** `error.code` of an answer or an event. */
  readonly error: string | undefined;
  /** The end mark came. */
  readonly done: boolean;
  // oxlint-disable-next-line typescript/no-explicit-any -- likewise.
  readonly chunks: readonly any[];
  /** What the upstream was asked. */
  readonly asked: readonly UpstreamRequest[];
}

/** How a call is made. */
export interface Ask {
  /** Default: one line of the user's. */
  readonly body?: Readonly<Record<string, unknown>>;
  readonly stream?: boolean;
  /** `up` alone, both, or the one that speaks Anthropic's language. Default: up. */
  readonly to?: "up" | "pair" | "claude";
  readonly headers?: Readonly<Record<string, string>>;
  readonly path?: string;
}

/** A running scene. */
export interface TrapScene extends AsyncDisposable {
  readonly house: House;
  readonly url: string;
  /** Asks for a model that answers so. */
  ask(handler: UpstreamHandler, how?: Ask): Promise<Told>;
  /** Plays a handler for a model of its own, and names it. */
  play(handler: UpstreamHandler, to?: Ask["to"]): string;
  /** What was asked for the model. */
  asked(model: string): readonly UpstreamRequest[];
}

const pairs = 100;
/** Whole or streamed, as asked. */
export const well: UpstreamHandler = (reply, { body }) => (isStreamed(body) ? streamText(reply, ["well"]) : reply.json(completion("well")));

/** Whether a request asks for a stream. */
export function isStreamed(body: unknown): boolean {
  return typeof body === "object" && body !== null && "stream" in body && body.stream === true;
}

/** Pieces of its configuration. */
export interface TrapSettings {
  /** Of provider `up`. */
  readonly settings?: string;
  /** Of the section `server`. */
  readonly server?: string;
  /** Further sections. */
  readonly more?: string;
}

/** Opens it. */
export async function openTraps({ settings = "", more = "", server = "" }: TrapSettings = {}): Promise<TrapScene> {
  const open = new AsyncDisposableStack();
  const handlers = new Map<string, UpstreamHandler>();
  const requests: UpstreamRequest[] = [];
  const played: UpstreamHandler = (reply, request, ordinal) => {
    requests.push(request);
    return handlers.get(modelOf(request))?.(reply, request, ordinal);
  };
  const up = open.use(await createUpstream(played));
  const other = open.use(await createUpstream(well));
  const models = (price: number) =>
    Array.from({ length: pairs }, (_, i) => `{id: pair-${i}, input_price: ${price}, output_price: ${price}}`);
  const house = open.use(
    await openHouse(`
server: {port: 0, ${server}}
health: {probe: none}
cache: {enabled: false}
resilience: {max_attempts: 2, retry: {base_delay: 1ms, max_delay: 2ms, budget: 1}}
routing_policy: {type: cost_based, config: {cost_weight: 1, latency_weight: 0, health_weight: 0}}
providers:
  up: {type: openai_compatible, base_url: "${up.url}/v1", models: [${models(1).join(", ")}], ${settings}}
  well: {type: openai_compatible, base_url: "${other.url}/v1", models: [${models(2).join(", ")}]}
  claude: {type: anthropic, base_url: "${up.url}", api_key: sk-ant-key-for-tests, models: [claude-sonnet-4-5]}
${more}
`),
  );
  let plays = 0;
  const scene: TrapScene = {
    house,
    url: house.url,
    play(handler, to = "up") {
      const name = to === "claude" ? `claude-sonnet-4-5-${plays++}` : `pair-${plays++}`;
      if (to !== "claude" && plays > pairs) throw new Error("a scene has no more models");
      handlers.set(name, handler);
      return to === "pair" ? name : `${to}/${name}`;
    },
    asked: (model) => requests.filter((request) => modelOf(request) === model.slice(model.lastIndexOf("/") + 1)),
    async ask(handler, { body = {}, stream = true, to = "up", headers = {}, path = "/v1/chat/completions" } = {}) {
      const model = scene.play(handler, to);
      const given = { model, messages: [{ role: "user", content: "hello" }], ...(stream && { stream }), ...body };
      const response = await fetch(`${house.url}${path}`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify(given),
      });
      const text = await response.text();
      const isStream = response.headers.get("content-type")?.startsWith("text/event-stream") === true;
      return {
        ...(isStream ? streamed(text) : whole(text)),
        status: response.status,
        headers: response.headers,
        body: text,
        asked: scene.asked(model),
      };
    },
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
  return scene;
}

function modelOf({ body }: UpstreamRequest): string {
  return typeof body === "object" && body !== null && "model" in body ? String(body.model) : "";
}

type Read = Omit<Told, "status" | "headers" | "body" | "asked">;

function whole(text: string): Read {
  const { choices, error, usage } = JSON.parse(text);
  const { message = {}, finish_reason: finish } = choices?.[0] ?? {};
  const calls = (message.tool_calls ?? []).map((call: { id: string; function: object }) => ({ id: call.id, ...call.function }));
  return {
    content: message.content ?? "",
    reasoning: message.reasoning_content ?? "",
    refusal: message.refusal ?? "",
    calls,
    finish,
    usage,
    error: error?.code,
    done: error === undefined,
    chunks: [],
  };
}

function streamed(text: string): Read {
  // oxlint-disable-next-line typescript/no-explicit-any -- as JSON.parse, and looked at by matchers.
  const chunks: any[] = [];
  let done = false;
  createParser({
    onEvent({ data }) {
      expect(done, "nothing comes after the end").toBe(false);
      if (data === "[DONE]") done = true;
      else chunks.push(JSON.parse(data));
    },
  }).feed(text);
  const read = {
    content: "",
    reasoning: "",
    refusal: "",
    finish: undefined as string | undefined,
    usage: undefined as unknown,
    error: undefined as string | undefined,
  };
  const calls: { id: string; name: string; arguments: string }[] = [];
  for (const chunk of chunks) {
    read.usage = chunk.usage ?? read.usage;
    read.error = chunk.error?.code ?? read.error;
    for (const { delta, finish_reason: finish } of chunk.choices ?? []) {
      read.content += delta.content ?? "";
      read.reasoning += delta.reasoning_content ?? "";
      read.refusal += delta.refusal ?? "";
      read.finish = finish ?? read.finish;
      for (const { index, id, function: fn } of delta.tool_calls ?? []) {
        const call = (calls[index] ??= { id: "", name: "", arguments: "" });
        call.id = id ?? call.id;
        call.name = fn?.name ?? call.name;
        call.arguments += fn?.arguments ?? "";
      }
    }
  }
  return { ...read, calls, done, chunks };
}
