/** The WebSocket door as a caller sees it: a socket of frames, and a client that asks one question by a socket of its own. */
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { WebSocket } from "ws";
import { type Answer, type Question, Refused } from "./question.ts";

/** A frame, looked at by the test's matchers. */
// oxlint-disable-next-line typescript/no-explicit-any -- as JSON.parse.
export type Frame = Readonly<Record<string, any>>;

/** A socket that keeps what comes. */
export interface FrameSocket extends AsyncDisposable {
  readonly ws: WebSocket;
  /** All frames so far, in order. */
  readonly frames: readonly Frame[];
  /** Headers of the answer that opened it. */
  readonly head: Headers;
  send(frame: unknown): void;
  /** The first frame for which it is true, once it has come. */
  frame(isIt: (frame: Frame) => boolean): Promise<Frame>;
  /** The last frame of a call, once it has come. */
  end(id: string | number | null): Promise<Frame>;
  /** The text of a call so far. */
  text(id: string | number): string;
  /** Settles with the code the socket was closed with. */
  readonly closed: Promise<number>;
}

/** How a socket is opened. */
export interface SocketOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly protocols?: readonly string[];
  /** Of a certificate that nobody vouches for. */
  readonly ca?: string;
}

/** The door's address on a server. */
export function realtimeUrl(url: string): string {
  return `${url.replace(/^http/, "ws")}/v1/realtime/chat`;
}

/** Opens a socket; rejects with Refused where the server answers by HTTP. */
export async function openSocket(url: string, { headers = {}, protocols = [], ca }: SocketOptions = {}): Promise<FrameSocket> {
  const ws = new WebSocket(realtimeUrl(url), [...protocols], { headers, ...(ca !== undefined && { ca }) });
  const head = new Headers();
  ws.on("upgrade", (response) => addHeaders(head, response));
  const frames: Frame[] = [];
  const waiting = new Set<() => void>();
  ws.on("message", (data) => {
    if (!Buffer.isBuffer(data)) throw new Error("no buffer came");
    frames.push(JSON.parse(data.toString()));
    for (const look of waiting) look();
  });
  const closed = new Promise<number>((resolve) => {
    ws.on("close", (code) => {
      resolve(code);
      for (const look of waiting) look();
    });
  });
  await opened(ws);
  const frame: FrameSocket["frame"] = (isIt) =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const found = frames.find(isIt);
        if (found !== undefined) resolve(found);
        else if (ws.readyState === ws.CLOSED) reject(new Error(`the socket was closed before it came: ${JSON.stringify(frames)}`));
        else return;
        waiting.delete(look);
      };
      waiting.add(look);
      look();
    });
  return {
    ws,
    frames,
    head,
    closed,
    send: (message) => ws.send(typeof message === "string" ? message : JSON.stringify(message)),
    frame,
    end: (id) => frame((each) => each["id"] === id && each["type"] !== "chunk"),
    text: (id) => frames.map((each) => (each["id"] === id ? pieceOf(each) : "")).join(""),
    async [Symbol.asyncDispose]() {
      ws.terminate();
      await closed;
    },
  };
}

/** A frame that asks for a chat. */
export function chatFrame(id: string | number, model: string, more: Readonly<Record<string, unknown>> = {}): Frame {
  return { type: "chat", id, request: { model, messages: [{ role: "user", content: "hello" }], ...more } };
}

/** Settles once the socket is open. */
function opened(ws: WebSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    ws.on("open", () => resolve());
    ws.on("error", reject);
    ws.on("unexpected-response", (_request, response) => void refusedBy(response).then(reject, reject));
  });
}

async function refusedBy(response: IncomingMessage): Promise<Refused> {
  const headers = new Headers();
  addHeaders(headers, response);
  let body = "";
  response.setEncoding("utf8").on("data", (text: string) => (body += text));
  await once(response, "end");
  return new Refused({ status: response.statusCode ?? 0, word: String(JSON.parse(body).error.code), text: "", headers, body });
}

function addHeaders(all: Headers, { rawHeaders }: IncomingMessage): void {
  for (let i = 0; i < rawHeaders.length; i += 2) all.append(rawHeaders[i] ?? "", rawHeaders[i + 1] ?? "");
}

function pieceOf(frame: Frame): string {
  return frame["type"] === "chunk" ? (frame["data"].choices?.[0]?.delta?.content ?? "") : "";
}

/** One question by a socket of its own. What a frame tells of its call counts as headers. */
export function askBySocket(url: string, question: Question): Promise<Answer> {
  return ask(url, question, (socket) => socket.ws.terminate());
}

/** The same, by a caller who leaves the call and not the socket, and wants to be told that it is over. */
export function askUntilCancelled(url: string, question: Question): Promise<Answer> {
  return ask(url, question, (socket) => socket.send({ type: "cancel", id: "only" }));
}

async function ask(url: string, question: Question, leave: (socket: FrameSocket) => void): Promise<Answer> {
  const { model, content = "hello", temperature, headers = {}, signal, onText } = question;
  const id = headers["x-request-id"];
  signal?.throwIfAborted();
  await using socket = await openSocket(url, { headers });
  const { ws, head } = socket;
  ws.on("message", () => {
    const piece = pieceOf(socket.frames.at(-1) ?? {});
    if (piece !== "") onText?.(piece);
  });
  signal?.addEventListener("abort", () => leave(socket));
  const request = { model, messages: [{ role: "user", content }], temperature };
  socket.send({ type: "chat", id: "only", request, ...(id !== undefined && { headers: { "x-request-id": id } }) });
  const end = await socket.end("only");
  ws.close(1000);
  await socket.closed;
  if (socket.frames.at(-1) !== end) throw new Error(`something comes after the end: ${JSON.stringify(socket.frames)}`);
  const text = socket.text("only");
  for (const [name, value] of toldBy(end)) head.set(name, value);
  if (end["type"] === "done") return { text, headers: head };
  if (end["partial"] !== (text !== "")) throw new Error(`partial is ${end["partial"]}, and ${text.length} characters came`);
  // As by SSE: once content has been sent, the status has been, too.
  const status = end["partial"] === true ? 200 : Number(end["status"]);
  throw new Refused({ status, word: String(end["error"].code), text, headers: head, body: JSON.stringify(end) });
}

/** What the answer's headers would tell by REST. */
function toldBy({ request_id, route = {}, retry_after_ms, should_retry }: Frame): [name: string, value: string][] {
  const told: [string, string][] = [["x-request-id", String(request_id)]];
  for (const [name, value] of Object.entries(route)) told.push([`x-semaroute-${name.replaceAll("_", "-")}`, String(value)]);
  if (retry_after_ms !== undefined)
    told.push(["retry-after-ms", String(retry_after_ms)], ["retry-after", String(Math.ceil(Number(retry_after_ms) / 1000))]);
  if (should_retry !== undefined) told.push(["x-should-retry", String(should_retry)]);
  return told;
}
