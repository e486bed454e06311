/**
 * Amazon Bedrock for tests: a real HTTP server on 127.0.0.1 that believes nobody whose signature, or API key, does not hold, and says
 * what the test tells it to.
 */
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import { eventFrame, exceptionFrame } from "./event-frames.ts";
import { type SignedBy, signatureProblem } from "./sigv4.ts";

/** One call that was let in. */
export interface BedrockCall {
  /** As it stands in the request line. */
  readonly path: string;
  readonly model: string;
  readonly streamed: boolean;
  readonly headers: IncomingHttpHeaders;
  readonly body: unknown;
  /** How its answer ended: sent whole, or with its socket, by whichever side. */
  readonly closed: Promise<"finished" | "cut">;
}

/** What a handler can do with a call. */
export interface BedrockReply {
  json(body: unknown): void;
  /** An error answer as Amazon has them. */
  error(status: number, type: string, message: string, headers?: Readonly<Record<string, string>>): void;
  /** Begins a stream: the head leaves at once. */
  stream(): BedrockStream;
}

/** A stream under the test's control; each call leaves as a write of its own. */
export interface BedrockStream {
  event(type: string, payload: unknown): BedrockStream;
  exception(type: string, message: string): BedrockStream;
  raw(bytes: Uint8Array): BedrockStream;
  end(): void;
  /** Breaks the connection. */
  reset(): void;
}

/** Answers the n-th call, from 0. */
export type BedrockHandler = (reply: BedrockReply, call: BedrockCall, ordinal: number) => void | Promise<void>;

/** A running Bedrock. */
export interface ScriptedBedrock extends AsyncDisposable {
  readonly url: string;
  /** Calls that were let in, in the order they came. */
  readonly calls: readonly BedrockCall[];
  /** Why others were not. */
  readonly turnedAway: string[];
}

/** Starts one on a free port. `bearer`: its API key, instead of signatures. */
export async function createBedrock(by: Omit<SignedBy, "service"> | { bearer: string }, handler: BedrockHandler): Promise<ScriptedBedrock> {
  const calls: BedrockCall[] = [];
  const turnedAway: string[] = [];
  const bugs: unknown[] = [];
  const answer = async (message: IncomingMessage, response: ServerResponse): Promise<void> => {
    message.on("error", () => {});
    response.on("error", () => {});
    const closed = new Promise<"finished" | "cut">((resolve) => {
      response.once("close", () => resolve(response.writableFinished ? "finished" : "cut"));
    });
    let text = "";
    message.setEncoding("utf8");
    for await (const part of message) text += String(part);
    const { method = "", url: path = "", headers } = message;
    const reply = replyOn(response);
    const problem =
      "bearer" in by
        ? headers.authorization === `Bearer ${by.bearer}` && headers["x-amz-date"] === undefined
          ? undefined
          : "another API key"
        : signatureProblem({ method, target: path, headers, body: text }, { ...by, service: "bedrock" }, Date.now());
    if (problem !== undefined) {
      turnedAway.push(problem);
      // Amazon says back what it was signed over.
      const words = `The request signature we calculated does not match the signature you provided. ${headers.authorization}`;
      reply.error(403, "InvalidSignatureException:http://internal.amazon.com/coral/com.amazon.coral.service/", words);
      return;
    }
    const [, model = "", action] = /^\/model\/([^/]+)\/(converse|converse-stream)$/.exec(path) ?? [];
    const call = { path, model: decodeURIComponent(model), streamed: action === "converse-stream", headers, body: json(text), closed };
    if (method !== "POST" || action === undefined || headers["content-type"] !== "application/json") {
      reply.error(404, "UnknownOperationException", "no such operation");
      return;
    }
    await handler(reply, call, calls.push(call) - 1);
  };
  const server = createServer((message, response) => {
    answer(message, response).catch((thrown: unknown) => {
      if (!message.complete) return;
      bugs.push(thrown);
      response.destroy();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("bedrock has no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    calls,
    turnedAway,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
      if (bugs.length > 0) throw bugs[0];
    },
  };
}

function json(text: string): unknown {
  return JSON.parse(text);
}

function replyOn(response: ServerResponse): BedrockReply {
  const head = { "x-amzn-requestid": "0f1e2d3c-aws" };
  return {
    json(body) {
      response.writeHead(200, { ...head, "content-type": "application/json" });
      response.end(JSON.stringify(body));
    },
    error(status, type, message, headers = {}) {
      response.writeHead(status, { ...head, "content-type": "application/json", "x-amzn-errortype": type, ...headers });
      response.end(JSON.stringify({ message }));
    },
    stream() {
      response.writeHead(200, { ...head, "content-type": "application/vnd.amazon.eventstream" });
      response.flushHeaders();
      const stream: BedrockStream = {
        event: (type, payload) => stream.raw(eventFrame(type, payload)),
        exception: (type, message) => stream.raw(exceptionFrame(type, message)),
        raw(bytes) {
          response.write(bytes);
          return stream;
        },
        end: () => void response.end(),
        reset: () => void response.socket?.resetAndDestroy(),
      };
      return stream;
    },
  };
}

/** A whole answer of text. */
export function converseAnswer(text: string, more: Readonly<Record<string, unknown>> = {}): object {
  return {
    metrics: { latencyMs: 12 },
    output: { message: { role: "assistant", content: [{ text }] } },
    stopReason: "end_turn",
    usage: { inputTokens: 9, outputTokens: 5, totalTokens: 14 },
    ...more,
  };
}

/** Streams a text to its good end, one delta for each piece; `p` is the padding that Amazon sends. */
export function streamConverse(reply: BedrockReply, pieces: readonly string[]): void {
  const stream = reply.stream().event("messageStart", { p: "abcd", role: "assistant" });
  for (const text of pieces) stream.event("contentBlockDelta", { contentBlockIndex: 0, delta: { text }, p: "abcdefgh" });
  stream.event("contentBlockStop", { contentBlockIndex: 0, p: "a" }).event("messageStop", { p: "ab", stopReason: "end_turn" });
  stream.event("metadata", { metrics: { latencyMs: 12 }, p: "abc", usage: { inputTokens: 9, outputTokens: 5, totalTokens: 14 } }).end();
}
