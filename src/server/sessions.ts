import { constants, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { Bounds } from "./bounds.ts";

/** PING and SETTINGS frames of a peer within one sweep. Clients that measure a busy line ping a few times a second. */
const controlFramesMax = 1000;
/** Bytes of a peer that has no request open, within one sweep; all it can have to say are a few frames of control. */
const idleBytesMax = 64 * 1024;

/** Beyond any stream there can be. */
const lastStreamMax = 2 ** 31 - 1;

/**
 * One HTTP/2 connection, kept within its bounds. nghttp2 itself ends floods of resets, of CONTINUATION, PRIORITY and empty
 * frames, and whatever breaks the protocol; it knows no time, and lets anyone ping, set and widen windows without end.
 */
export class GuardedSession {
  readonly #session: ServerHttp2Session;
  readonly #bounds: Bounds;
  readonly #beganMs: number;
  /** Streams that are open. */
  #streams = 0;
  /** Streams that were opened since the last sweep. */
  #opened = 0;
  /** The highest stream whose headers have come whole. */
  #lastStream = 0;
  #controlFrames = 0;
  /** Bytes that had come by the last sweep. */
  #bytesRead = 0;
  /** Since when we wait for headers; undefined: for none. */
  #headersDueMs: number | undefined;
  /** When the last PING of ours was sent, or answered. */
  #pingMs: number;
  /** Bytes that had come when the PING was sent that is not answered; undefined: none is out. */
  #bytesAtPing: number | undefined;
  #leaving = false;

  constructor(session: ServerHttp2Session, bounds: Bounds, nowMs: number) {
    this.#session = session;
    this.#bounds = bounds;
    this.#beganMs = nowMs;
    this.#pingMs = nowMs;
    session.on("stream", (stream) => this.#open(stream));
    session.on("ping", () => this.#control());
    session.on("remoteSettings", () => this.#control());
  }

  /** Streams that are open. */
  get streams(): number {
    return this.#streams;
  }

  /** GOAWAY, by which nothing is refused yet (RFC 9113, 6.8): requests that are under way when it arrives are served. */
  handOver(): void {
    if (!this.#session.closed && !this.#session.destroyed) this.#session.goaway(constants.NGHTTP2_NO_ERROR, lastStreamMax);
  }

  /** GOAWAY: what runs goes on, and nothing new begins. */
  drain(): void {
    this.#session.close();
  }

  /** Ends it now. */
  destroy(): void {
    this.#session.destroy();
  }

  /** To be called now and then. */
  sweep(nowMs: number): void {
    if (this.#session.destroyed) return;
    const { bytesRead } = this.#session.socket;
    const came = bytesRead - this.#bytesRead;
    const idle = this.#streams === 0 && this.#opened === 0;
    this.#bytesRead = bytesRead;
    this.#opened = 0;
    this.#controlFrames = 0;
    if (idle && came > idleBytesMax) this.#calm();
    else if (this.#headersAreLate(nowMs)) this.#leave();
    else this.#askWhetherAlive(nowMs, bytesRead);
  }

  #open(stream: ServerHttp2Stream): void {
    this.#streams++;
    this.#opened++;
    if (stream.id !== undefined && stream.id > this.#lastStream) this.#lastStream = stream.id;
    stream.once("close", () => this.#streams--);
  }

  #control(): void {
    this.#controlFrames++;
    if (this.#controlFrames > controlFramesMax && !this.#session.destroyed) this.#calm();
  }

  #calm(): void {
    this.#session.destroy(new Error("a flood of frames"), constants.NGHTTP2_ENHANCE_YOUR_CALM);
  }

  /** Whether the first request, or one whose headers have begun, is not there in time. */
  #headersAreLate(nowMs: number): boolean {
    // The stream of a request begins with its first frame of headers, and is shown to us with the last.
    const begun = this.#session.state.lastProcStreamID ?? 0;
    if (this.#lastStream > 0 && begun <= this.#lastStream) {
      this.#headersDueMs = undefined;
      return false;
    }
    this.#headersDueMs ??= this.#lastStream === 0 ? this.#beganMs : nowMs;
    return nowMs - this.#headersDueMs >= this.#bounds.headersMs;
  }

  /** First the GOAWAY, and with the next sweep the end: half of a request would keep the connection open for ever. */
  #leave(): void {
    if (this.#leaving) this.#session.destroy();
    else this.#session.close();
    this.#leaving = true;
  }

  #askWhetherAlive(nowMs: number, bytesRead: number): void {
    if (this.#bytesAtPing !== undefined) {
      if (bytesRead > this.#bytesAtPing) this.#answered(nowMs);
      else if (nowMs - this.#pingMs >= this.#bounds.pingAnswerMs) this.#session.destroy();
    } else if (this.#streams > 0 && nowMs - this.#pingMs >= this.#bounds.pingEveryMs) {
      this.#bytesAtPing = bytesRead;
      this.#pingMs = nowMs;
      this.#session.ping(() => {
        // What is heard is the connection's bytes; of an answer nothing more is needed.
      });
    }
  }

  #answered(nowMs: number): void {
    this.#bytesAtPing = undefined;
    this.#pingMs = nowMs;
  }
}
