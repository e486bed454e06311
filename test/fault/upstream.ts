/**
 * An upstream on raw sockets that does what its script says, byte by byte, and remembers what was done to it. It speaks
 * no HTTP of its own but reads requests, so that it can answer in ways that no HTTP library would.
 */
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";
import type { Script, Step } from "./steps.ts";

/** A request that was read. */
export interface SeenRequest {
  /** The request line and the headers, as they came. */
  readonly head: string;
  /** The body as text; what had come of it, for `answerEarly`. */
  readonly body: string;
  /** The body's `model`; empty where it has none. */
  readonly model: string;
  /** Whether the body asks for a stream. */
  readonly streamed: boolean;
  /** From 0, among requests for this model. */
  readonly ordinal: number;
  /** The connection it came by. */
  readonly connection: SeenConnection;
}

/** A connection that was accepted. */
export interface SeenConnection {
  /** From 0, in the order of their coming. */
  readonly ordinal: number;
  /** Monotonic milliseconds. */
  readonly openedMs: number;
  /** Undefined: it is still open. */
  readonly closedMs: number | undefined;
  /** Requests read from it so far. */
  readonly requests: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

/** A running upstream. */
export interface ScriptedUpstream extends AsyncDisposable {
  readonly port: number;
  /** All requests so far, in the order they were read. */
  readonly requests: readonly SeenRequest[];
  /** Those that a script was played on: of TLS, the ones whose handshake went well. */
  readonly connections: readonly SeenConnection[];
  /** Connections of TCP so far. */
  readonly accepted: number;
  /** Whether any connection brought these bytes, be it outside of a request. */
  saw(text: string): boolean;
  /** The caller who asked for the model has read some of its answer. */
  heard(model: string): void;
  /** Ends what is open in an orderly way, as a vendor does with idle connections. */
  hangUp(): void;
}

/** How it listens. */
export interface UpstreamOptions {
  /** Set: it speaks TLS. */
  readonly tls?: TlsOptions | undefined;
}

/** Bytes of one connection that are searched by `saw`. */
const rememberedBytesMax = 64 * 1024;

/** Starts an upstream on a free port of 127.0.0.1. */
export async function createScriptedUpstream(script: Script, { tls }: UpstreamOptions = {}): Promise<ScriptedUpstream> {
  const requests: SeenRequest[] = [];
  const connections: Connection[] = [];
  const heard = new Set<string>();
  const accept = (socket: Socket): void => {
    const connection = new Connection(socket, connections.length, requests, heard);
    connections.push(connection);
    void connection.play(script);
  };
  const server: Server = tls === undefined ? createServer({ noDelay: true }, accept) : createTlsServer(tls, accept);
  server.on("tlsClientError", () => {});
  // Raw sockets under TLS, so that a handshake that fails is still a connection that somebody made.
  const sockets = new Set<Socket>();
  let accepted = 0;
  server.on("connection", (socket: Socket) => {
    accepted++;
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the upstream has no port");
  return {
    port: address.port,
    requests,
    connections,
    get accepted() {
      return accepted;
    },
    saw: (text) => connections.some((each) => each.remembers(text)),
    heard(model) {
      heard.add(model);
      for (const each of connections) each.wake();
    },
    hangUp() {
      for (const socket of sockets) socket.destroy();
    },
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, "close");
    },
  };
}

/** The other side is gone: the script is over. */
class Gone extends Error {}

class Connection implements SeenConnection {
  readonly ordinal: number;
  readonly openedMs = performance.now();
  closedMs: number | undefined;
  requests = 0;
  bytesRead = 0;
  bytesWritten = 0;
  readonly #socket: Socket;
  readonly #all: SeenRequest[];
  readonly #heard: ReadonlySet<string>;
  #unread = Buffer.alloc(0);
  #remembered = "";
  #head = "";
  #model = "";
  #wake: (() => void) | undefined;

  constructor(socket: Socket, ordinal: number, all: SeenRequest[], heard: ReadonlySet<string>) {
    this.ordinal = ordinal;
    this.#socket = socket;
    this.#all = all;
    this.#heard = heard;
    socket.on("error", () => {});
    socket.on("data", (bytes: Buffer) => {
      this.bytesRead += bytes.length;
      if (this.#remembered.length < rememberedBytesMax) this.#remembered += bytes.toString("latin1");
      this.#unread = Buffer.concat([this.#unread, bytes]);
      this.#wake?.();
    });
    socket.once("close", () => {
      this.closedMs = performance.now();
      this.#wake?.();
    });
  }

  wake(): void {
    this.#wake?.();
  }

  remembers(text: string): boolean {
    return this.#remembered.includes(text);
  }

  /** Plays the script once for each request, until the connection is closed. */
  async play(script: Script): Promise<void> {
    try {
      while (!this.#socket.destroyed) await this.#run(script);
    } catch (thrown) {
      this.#socket.destroy();
      // A script's own bug shows as an upstream that breaks off, with the reason on the test's screen.
      if (!(thrown instanceof Gone)) console.error("a fault script threw", thrown);
    }
  }

  async #run(steps: readonly Step[]): Promise<void> {
    for (const step of steps) await this.#do(step);
  }

  async #do(step: Step): Promise<void> {
    switch (step.do) {
      case "answer": {
        this.#head = await this.#readHead();
        return this.#run(step.by(this.#seen(this.#head, await this.#readBody())));
      }
      case "answerEarly": {
        this.#head = await this.#readHead();
        this.#seen(this.#head, this.#unread.toString("utf8"));
        return this.#run(step.by(this.#head));
      }
      case "write":
        return this.#writeSlices(step.bytes, step.slice, step.everyMs);
      case "repeat":
        for (;;) {
          await this.#write(step.bytes);
          // A turn of the loop even without a pace: others live in this process too.
          await this.#pause(step.everyMs);
        }
      case "sleep":
        return this.#pause(step.ms);
      case "untilHeard":
        await this.#until(() => (this.#heard.has(this.#model) ? true : undefined));
        return;
      case "stall":
        return this.#until(() => undefined);
      case "deaf":
        this.#socket.pause();
        return this.#until(() => undefined);
      case "rst":
        // What was written has to have left the kernel before the reset throws away what is unsent.
        await this.#pause(20);
        this.#socket.resetAndDestroy();
        throw new Gone();
      case "fin":
        this.#socket.end();
        return this.#until(() => undefined);
    }
  }

  #seen(head: string, body: string): SeenRequest {
    const { model, stream } = fieldsOf(body);
    this.#model = model;
    const ordinal = this.#all.filter((each) => each.model === model).length;
    const request = { head, body, model, streamed: stream, ordinal, connection: this };
    this.requests++;
    this.#all.push(request);
    return request;
  }

  async #readHead(): Promise<string> {
    const end = await this.#until(() => {
      const at = this.#unread.indexOf("\r\n\r\n");
      return at < 0 ? undefined : at + 4;
    });
    return this.#take(end).toString("latin1");
  }

  async #readBody(): Promise<string> {
    const length = Number(/^content-length: *(\d+)/im.exec(this.#head)?.[1] ?? 0);
    await this.#until(() => (this.#unread.length >= length ? true : undefined));
    return this.#take(length).toString("utf8");
  }

  #take(length: number): Buffer {
    const taken = this.#unread.subarray(0, length);
    this.#unread = this.#unread.subarray(length);
    return taken;
  }

  /** The first answer of `look` that is not undefined, asked anew whenever something came. */
  async #until<T>(look: () => T | undefined): Promise<T> {
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      if (this.closedMs !== undefined || this.#socket.destroyed) throw new Gone();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async #writeSlices(bytes: Uint8Array, slice: number, everyMs: number): Promise<void> {
    if (slice >= bytes.length) return this.#write(bytes);
    for (let at = 0; at < bytes.length; at += slice) {
      await this.#write(bytes.subarray(at, at + slice));
      if (everyMs > 0) await this.#pause(everyMs);
    }
  }

  #write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) return reject(new Gone());
      this.#socket.write(bytes, (error) => {
        if (error !== undefined && error !== null) return reject(new Gone());
        this.bytesWritten += bytes.length;
        resolve();
      });
    });
  }

  async #pause(ms: number): Promise<void> {
    await new Promise((resolve) => {
      setTimeout(resolve, ms);
    });
    if (this.#socket.destroyed) throw new Gone();
  }
}

function fieldsOf(body: string): { readonly model: string; readonly stream: boolean } {
  // Half a body is no JSON, and both fields are short and unescaped in all that the server writes.
  return { model: /"model":"([^"]*)"/.exec(body)?.[1] ?? "", stream: body.includes('"stream":true') };
}
