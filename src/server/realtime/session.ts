import type { WebSocket } from "ws";
import type { Key, KeyId } from "../../core/call.ts";
import { ChatError, chatErrorFrom } from "../../core/error.ts";
import { type IssuedKeys, keyRevoked } from "../../core/keys.ts";
import type { RefusedRequest } from "../../core/telemetry.ts";
import { decodeFramedChat } from "../../dialects/openai-chat/door.ts";
import type { Credentials } from "../auth.ts";
import { textFrom } from "../body.ts";
import type { OpenCall } from "../call-desk.ts";
import type { Lodger } from "../lodgers.ts";
import type { RestParts } from "../rest/context.ts";
import type { Upgrade } from "../upgrades.ts";
import { applyWishes, type HeaderReader, wishesFrom } from "../wishes.ts";
import { type FramedCall, streamCall } from "./call.ts";
import { type CallerFrame, callerFrame, chunkFraming, errorText, type FrameId, frameHeaders } from "./frames.ts";
import { Inflow } from "./inflow.ts";
import { Outbox } from "./outbox.ts";
import { createPulse, type Pulse } from "./pulse.ts";

/** What realtime doors stand on. */
export interface RealtimeParts extends RestParts {
  /** Hears of frames that never became a call. */
  readonly onRefused: (request: RefusedRequest) => void;
  /** Sockets of a revoked key are closed. */
  readonly onRevoked: IssuedKeys["onRevoked"];
}

/** What is known of a socket when it opens. */
export interface Opening {
  readonly ws: WebSocket;
  readonly upgrade: Pick<Upgrade, "socket" | "readerStallMs">;
  /** Shown with every call again: a reload may have taken the key away. */
  readonly credentials: Credentials;
  /** Whose they were when it opened. */
  readonly keyId: KeyId;
  /** Peer of the socket. */
  readonly address: string | undefined;
  /** Wishes of the request that opened the socket, which hold for all its calls. */
  readonly header: HeaderReader;
}

/** Calls of one socket at once. */
const callsMax = 64;
/** Some of them end soon. Milliseconds. */
const retryAfterMs = 1000;

/** Why a socket is closed (RFC 6455, 7.4.1, and its registry). */
const goingAway = 1001;
const policyViolation = 1008;
const tryAgainLater = 1013;

/** One open socket: many calls side by side, each known by the id its caller gave it, and each with one last frame. */
export class Session implements Lodger {
  readonly #parts: RealtimeParts;
  readonly #opening: Opening;
  readonly #calls = new Map<FrameId, OpenCall>();
  readonly #outbox: Outbox;
  readonly #inflow: Inflow;
  readonly #pulse: Pulse;
  /** Set: nothing new begins, and the socket is closed with it once nothing runs. */
  #farewell: ChatError | undefined;

  constructor(parts: RealtimeParts, opening: Opening) {
    this.#parts = parts;
    this.#opening = opening;
    const { ws, upgrade } = opening;
    const { socket, readerStallMs } = upgrade;
    const { clock, arrivals } = parts;
    const onStall = (): void => this.#cutOff(new ChatError("CANCELLED", "the caller stopped reading", { code: "reader_stalled" }));
    this.#outbox = new Outbox({ ws, socket, clock, stallMs: readerStallMs, onStall, onFree: () => ws.resume() });
    this.#inflow = new Inflow({ clock, arrivals, onExcess: (error) => this.#turnAway(error) });
    this.#pulse = createPulse({
      clock,
      heartbeatMs: () => parts.settings().heartbeatMs,
      sentMs: () => this.#outbox.sentMs,
      isUnread: () => this.#outbox.isUnread,
      ping: () => ws.ping(),
      onDead: () => this.#cutOff(new ChatError("CANCELLED", "the caller answers no pings")),
    });
    this.#listen();
  }

  get idle(): boolean {
    return this.#calls.size === 0;
  }

  drain(): void {
    this.#farewell ??= new ChatError("DRAINING", "this replica is going away");
    this.#goOnceIdle();
  }

  #goOnceIdle(): void {
    const farewell = this.#farewell;
    if (farewell !== undefined && this.idle) this.#opening.ws.close(closeCode(farewell), farewell.message);
  }

  #listen(): void {
    const { ws, upgrade } = this.#opening;
    const forget = this.#parts.onRevoked((id) => {
      if (id !== this.#opening.keyId) return;
      this.#farewell = keyRevoked();
      // Its calls are being ended, and tell their callers why.
      this.#goOnceIdle();
    });
    const left = (): void => this.#leave(new ChatError("CANCELLED", "the caller left"));
    ws.on("message", (data, isBinary) => {
      this.#inflow.message();
      if (ws.readyState === ws.OPEN) this.#receive(Buffer.isBuffer(data) ? data : undefined, isBinary);
    });
    ws.on("ping", (data) => this.#inflow.control(data.length));
    ws.on("pong", (data) => this.#inflow.control(data.length));
    ws.on("error", (error) => this.#broken(error));
    ws.on("close", () => {
      this.#pulse.stop();
      this.#inflow.end();
      forget();
      left();
    });
    // After the library's own listener has read the same bytes. Of a closing frame it tells only when the socket is closed,
    // which waits for all that is still to be sent.
    upgrade.socket.on("data", (chunk: Buffer) => {
      this.#pulse.heard();
      if (ws.readyState === ws.OPEN) this.#inflow.came(chunk.length);
      else left();
    });
    upgrade.socket.on("end", left);
  }

  #receive(data: Buffer | undefined, isBinary: boolean): void {
    let frame: CallerFrame;
    try {
      if (isBinary || data === undefined) throw new ChatError("INVALID_REQUEST", "frames must be text, and this one is binary");
      frame = callerFrame(textFrom(data));
    } catch (thrown) {
      this.#refuse(null, this.#parts.desk.newId(), thrown);
      return;
    }
    if (frame.kind === "chat") this.#begin(frame);
    // One that is over already needs no word: its last frame is on its way.
    else this.#calls.get(frame.id)?.abort(new ChatError("CANCELLED", "the caller cancelled the call"));
  }

  #begin(frame: ChatFrame, callId = this.#parts.desk.newId(), known?: Key): void {
    const { id } = frame;
    if (this.#calls.has(id)) {
      // By its own name it would be the last word on the call that runs.
      this.#refuse(null, callId, new ChatError("INVALID_REQUEST", "a call with this id is still running on this socket", { field: "id" }));
      return;
    }
    try {
      const caller = known ?? this.#caller();
      if (caller instanceof Promise) this.#beginLater(frame, callId, caller);
      else {
        const call = this.#open(frame, callId, caller);
        this.#calls.set(id, call.opened);
        void this.#serve(call);
      }
    } catch (thrown) {
      this.#refuse(id, callId, thrown);
    }
  }

  /** The key that opened the socket is not known any more, and the store is asked for it. */
  #beginLater(frame: ChatFrame, callId: string, caller: Promise<Key>): void {
    // Nobody would end a call that begins on a closed socket.
    const ifOpen = (act: () => void): void => void (this.#opening.ws.readyState === this.#opening.ws.OPEN && act());
    caller.then(
      (key) => ifOpen(() => this.#begin(frame, callId, key)),
      (thrown: unknown) => ifOpen(() => this.#refuse(frame.id, callId, thrown)),
    );
  }

  #caller(): Key | Promise<Key> {
    if (this.#farewell !== undefined) throw this.#farewell;
    return this.#parts.settings().keys.authenticate(this.#opening.credentials, this.#opening.address ?? "");
  }

  #open({ id, request: body, headers }: ChatFrame, callId: string, key: Key): FramedCall {
    const { router, desk } = this.#parts;
    const receivedMs = desk.now();
    if (this.#calls.size >= callsMax) throw new ChatError("SHED", `this socket has ${callsMax} calls already`, { retryAfterMs });
    const refusal = router.refusal(key) ?? router.exhausted(key);
    if (refusal !== undefined) throw refusal;
    if (body === undefined) throw new ChatError("INVALID_REQUEST", "request is missing", { field: "request" });
    const own = frameHeaders(headers);
    const wishes = wishesFrom((name) => own.get(name) ?? this.#opening.header(name));
    const { request, chunks } = decodeFramedChat(body);
    applyWishes(request, wishes);
    const opened = desk.open({ door: "websocket", key, request, streamed: true, wishes, receivedMs, id: callId });
    return { id, opened, encoder: chunks(chunkFraming(id)) };
  }

  async #serve(call: FramedCall): Promise<void> {
    const { router, onBug } = this.#parts;
    try {
      const last = await streamCall({ router, onBug, outbox: this.#outbox }, call);
      call.opened.close();
      // The id is taken until its caller can know that it is free.
      await this.#outbox.send(last);
    } finally {
      call.opened.close();
      this.#calls.delete(call.id);
    }
    this.#goOnceIdle();
  }

  /** Answers a frame that became no call. Who sends such frames, and does not read what comes of them, is read no further. */
  #refuse(id: FrameId | null, callId: string, thrown: unknown): void {
    const error = chatErrorFrom(thrown);
    this.#tell(error, callId);
    const wait = this.#outbox.send(errorText(error, { id, requestId: callId, partial: false }));
    if (wait !== undefined) this.#opening.ws.pause();
  }

  #tell(error: ChatError, callId: string): void {
    const { onRefused, onBug } = this.#parts;
    onRefused({
      id: callId,
      requestId: callId,
      door: "websocket",
      address: this.#opening.address,
      failure: error.failure,
      key: error.limitedKey,
    });
    if (error.failure === "INTERNAL") onBug(error.cause ?? error);
  }

  /** A message that may not go on cannot be skipped: the socket goes with it. */
  #turnAway(error: ChatError): void {
    const { ws } = this.#opening;
    if (ws.readyState !== ws.OPEN) return;
    this.#refuse(null, this.#parts.desk.newId(), error);
    this.#inflow.end();
    ws.close(closeCode(error), error.message);
    this.#leave(new ChatError("CANCELLED", "the socket was closed"));
  }

  /** Frames that break the protocol: the library has begun to close the socket, with the code that says how. */
  #broken(error: Error): void {
    const tooLarge = "code" in error && error.code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH";
    const text = "the caller sent what is no frame of WebSocket, or a message that is too large";
    // A broken connection is no fault of what was sent.
    if ("code" in error && String(error.code).startsWith("WS_ERR_"))
      this.#tell(new ChatError(tooLarge ? "REQUEST_TOO_LARGE" : "INVALID_REQUEST", text), this.#parts.desk.newId());
    this.#leave(new ChatError("CANCELLED", text));
  }

  /** Its peer is not there any more, or as good as that. */
  #cutOff(error: ChatError): void {
    this.#leave(error);
    this.#opening.ws.terminate();
  }

  /** What still waits for a reader would wait in vain, and the calls with it. */
  #leave(error: ChatError): void {
    for (const opened of this.#calls.values()) opened.abort(error);
    const { socket } = this.#opening.upgrade;
    if (socket.writableNeedDrain) socket.destroy();
  }
}

type ChatFrame = CallerFrame & { readonly kind: "chat" };

function closeCode({ failure }: ChatError): number {
  return failure === "DRAINING" ? goingAway : failure === "SHED" ? tryAgainLater : policyViolation;
}
