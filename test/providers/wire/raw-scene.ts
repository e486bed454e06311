/** A provider of OpenAI's language whose upstream is a raw one, called as the engine calls it. */
import type { TlsOptions } from "node:tls";
import type { CallOptions } from "../../../src/core/call.ts";
import type { Clock } from "../../../src/core/clock.ts";
import { ChatError } from "../../../src/core/error.ts";
import type { AttemptStream } from "../../../src/core/handler.ts";
import type { Provider } from "../../../src/core/provider.ts";
import { Secret } from "../../../src/core/secret.ts";
import { openaiChat } from "../../../src/dialects/openai-chat/upstream.ts";
import { createHttpProvider } from "../../../src/providers/http-provider.ts";
import { createWire, type WireOptions } from "../../../src/providers/wire/pool.ts";
import { callProvider } from "../../../src/stages/call-provider.ts";
import { systemClock } from "../../../src/stores/system-clock.ts";
import { readAll, textIn } from "../../stages/support.ts";
import { attemptOf, chatRequest, chatTarget } from "../../support/attempt.ts";
import { chunk, completion } from "../../support/scripted-upstream.ts";
import { type RawConnection, rawUpstream, type RawUpstream } from "./raw-upstream.ts";

/** The key that only its upstream may ever see. */
export const canary = "sk-canary-0123456789abcdef";

/** What a call came to. */
export interface Result {
  readonly text: string;
  /** Undefined: it ended well. */
  readonly error: ChatError | undefined;
}

/** How a scene differs from the ordinary. */
export interface SceneOptions {
  readonly tls?: TlsOptions | true | undefined;
  readonly clock?: Clock;
  readonly connectMs?: number;
  /** The name server. */
  readonly resolve?: WireOptions["resolve"];
  /** What is called instead of the upstream's own URL. */
  readonly url?: (upstream: RawUpstream) => string;
}

/** How one call differs from the ordinary. */
export interface CallWishes {
  readonly options?: Partial<CallOptions>;
  readonly signal?: AbortSignal;
  readonly prompt?: string;
  /** Called once the first content is there. */
  readonly onBegun?: () => void;
}

/** Starts the upstream and its provider. */
export async function rawScene(serve: (connection: RawConnection) => unknown, options: SceneOptions = {}) {
  const upstream = await rawUpstream(serve, options.tls);
  const clock = options.clock ?? systemClock;
  const origin = options.url?.(upstream) ?? upstream.url;
  const wire = createWire({
    clock,
    name: "up",
    origin,
    connectMs: options.connectMs ?? 5000,
    totalMs: 600_000,
    connectionsMax: 4,
    ...(options.resolve !== undefined && { resolve: options.resolve }),
  });
  const provider: Provider = createHttpProvider({
    name: "up",
    wire,
    dialect: openaiChat,
    quirks: {},
    chatPath: () => "/v1/chat/completions",
    modelsPath: "/v1/models",
    auth: "bearer",
    apiKey: new Secret(canary, "env:KEY"),
    clock,
  });
  const open = (streamed: boolean, { options: more, signal, prompt = "hi" }: CallWishes = {}): Promise<AttemptStream> => {
    const base = attemptOf(chatRequest(prompt), { target: chatTarget(), streamed, ...(signal !== undefined && { signal }) });
    const snapshot = { ...base.snapshot, providers: new Map([["sim", provider]]), options: { ...base.snapshot.options, ...more } };
    return callProvider(clock)({ ...base, snapshot });
  };
  const call = async (streamed: boolean, wishes?: CallWishes): Promise<Result> => {
    let stream: AttemptStream;
    try {
      stream = await open(streamed, wishes);
    } catch (thrown) {
      return { text: "", error: chatError(thrown) };
    }
    wishes?.onBegun?.();
    const { batches, error } = await readAll(stream.batches);
    const whole = batches.flat().find((event) => event.case === "whole");
    const part = whole?.value.choices[0]?.message?.content[0]?.part;
    const text = part?.case === "text" ? part.value.text : textIn(batches);
    return { text, error: error === undefined ? undefined : chatError(error) };
  };
  return {
    upstream,
    wire,
    provider,
    call,
    open,
    async [Symbol.asyncDispose]() {
      await upstream[Symbol.asyncDispose]();
      await wire.close();
    },
  };
}

function chatError(thrown: unknown): ChatError {
  if (thrown instanceof ChatError) return thrown;
  throw thrown;
}

/** A whole answer as JSON. */
export const answerJson = (text = "Hello"): string => JSON.stringify(completion(text));

/** Events of a stream as they stand on the wire. */
export const sse = (...events: readonly unknown[]): string =>
  events.map((event) => `data: ${typeof event === "string" ? event : JSON.stringify(event)}\n\n`).join("");

/** The beginning of a stream, its first content included. */
export const begun: string = sse(chunk({ role: "assistant", content: "" }), chunk({ content: "Hel" }));

/** The rest of it, to its good end. */
export const rest: string = sse(chunk({ content: "lo" }), chunk({}, "stop"), "[DONE]");

/** An answer of known length. */
export function http(body: string | Uint8Array, headers: readonly string[] = [], status = "200 OK"): Buffer {
  const bytes = Buffer.from(body);
  const head = [`HTTP/1.1 ${status}`, `content-length: ${bytes.length}`, ...headers];
  return Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`, "latin1"), bytes]);
}

/** The head of an answer whose length is not told; it ends with its connection. */
export const openHead = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

/** The head of an answer in chunks. */
export const chunkedHead = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

/** One chunk of it. */
export const chunked = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
