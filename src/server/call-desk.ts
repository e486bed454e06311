import type { Call, Door, Key, KeyId } from "../core/call.ts";
import { sideOf } from "../core/canary.ts";
import type { CallRequest } from "../core/chat.ts";
import type { Clock } from "../core/clock.ts";
import { ChatError } from "../core/error.ts";
import { keyRevoked } from "../core/keys.ts";
import type { Router } from "../core/router.ts";
import type { Wishes } from "./wishes.ts";

/** What a door knows of a call. */
export interface CallInit {
  readonly door: Door;
  readonly key: Key;
  readonly request: CallRequest;
  readonly streamed: boolean;
  readonly wishes: Wishes;
  readonly receivedMs: number;
  /** Fixed before the call was opened, so that an error before it names the same id. */
  readonly id: string;
}

/** A call and the ways to end it from outside. */
export interface OpenCall {
  readonly call: Call;
  /** The caller left, or its own deadline passed. */
  abort(error: ChatError): void;
  /** To be called once the answer has left: frees the timer. */
  close(): void;
}

/** Where calls begin. */
export interface CallDesk {
  /** Throws where the key was revoked since its caller was let in. */
  open(init: CallInit): OpenCall;
  newId(): string;
  now(): number;
  /** Ends every open call with DRAINING. */
  cut(): void;
  /** Ends every open call of a key that was revoked. */
  cutKey(id: KeyId): void;
}

/** What the desk needs. */
export interface CallDeskParts {
  readonly router: Pick<Router, "snapshot">;
  readonly clock: Clock;
  /** Unique and ordered by time: UUIDv7. */
  readonly newId: () => string;
  /** In [0, 1); asked once, so that replicas do not walk in step. */
  readonly random: () => number;
  /** Why a key that was let in may begin nothing more: bodies take their time to come. Undefined: it may; absent: all may. */
  readonly refusal?: (key: Key) => ChatError | undefined;
}

/**
 * Seeds step by the golden ratio (a Weyl sequence), so that any run of calls has them spread evenly: what is dealt by `placeOf` gets
 * its shares within a handful of calls, where lots would take hundreds.
 */
const goldenRatio = (Math.sqrt(5) - 1) / 2;

/** One desk a process: every protocol's calls are opened here and nowhere else. */
export function createCallDesk({ router, clock, newId, random, refusal }: CallDeskParts): CallDesk {
  const open = new Set<OpenCall>();
  let place = random();
  return {
    newId,
    now: () => clock.now(),
    open({ door, key, request, streamed, wishes, receivedMs, id }) {
      const refused = refusal?.(key);
      if (refused !== undefined) throw refused;
      const snapshot = sideOf(router.snapshot(), { key, request, id });
      const { totalMs } = snapshot.options;
      const byCaller = wishes.timeoutMs !== undefined && wishes.timeoutMs < totalMs;
      const limitMs = byCaller && wishes.timeoutMs !== undefined ? wishes.timeoutMs : totalMs;
      const controller = new AbortController();
      const call: Call = {
        id,
        requestId: wishes.requestId ?? id,
        door,
        key,
        request,
        streamed,
        receivedMs,
        deadline: receivedMs + limitMs,
        deadlineByCaller: byCaller,
        signal: controller.signal,
        snapshot,
        seed: Math.floor(place * Number.MAX_SAFE_INTEGER),
        traceparent: wishes.traceparent,
      };
      place = (place + goldenRatio) % 1;
      const cancelTimer = clock.after(receivedMs + limitMs - clock.now(), () => {
        controller.abort(
          byCaller
            ? new ChatError("DEADLINE_EXCEEDED", `the caller's deadline of ${limitMs} ms has passed`)
            : new ChatError("TIMEOUT", `the call took longer than ${limitMs} ms`),
        );
      });
      const opened: OpenCall = {
        call,
        abort(error) {
          controller.abort(error);
        },
        close() {
          cancelTimer();
          open.delete(opened);
        },
      };
      open.add(opened);
      return opened;
    },
    cut() {
      for (const each of open) each.abort(new ChatError("DRAINING", "this replica is going away"));
    },
    cutKey(id) {
      for (const each of open) if (each.call.key.id === id) each.abort(keyRevoked());
    },
  };
}
