import type { Clock } from "../../core/clock.ts";

/** Milliseconds that a ping's answer may take at least, however short the heartbeat is. */
const answerMsMin = 1000;

/** What a pulse is made of. */
export interface PulseParts {
  readonly clock: Clock;
  /** Silence after which a ping is sent; read anew each time. */
  readonly heartbeatMs: () => number;
  /** When something was sent last. Monotonic milliseconds. */
  readonly sentMs: () => number;
  /** Whether the peer has not taken all that was sent: then that is what it is judged by. */
  readonly isUnread: () => boolean;
  readonly ping: () => void;
  /** The peer has answered a ping by nothing at all, for twice the heartbeat. */
  readonly onDead: () => void;
}

/** Signs of life on a socket that is silent, in both directions. */
export interface Pulse {
  /** Something came from the peer. */
  heard(): void;
  stop(): void;
}

/** Begins to beat at once. */
export function createPulse({ clock, heartbeatMs, sentMs, isUnread, ping, onDead }: PulseParts): Pulse {
  let pingedMs: number | undefined;
  let cancel: (() => void) | undefined;
  /** One timer that looks again when it fires, instead of one that every frame moves. */
  const look = (): void => {
    const nowMs = clock.now();
    const beatMs = heartbeatMs();
    if (isUnread()) pingedMs = undefined;
    else if (pingedMs !== undefined) {
      const leftMs = pingedMs + Math.max(2 * beatMs, answerMsMin) - nowMs;
      if (leftMs <= 0) {
        onDead();
        return;
      }
      cancel = clock.after(leftMs, look);
      return;
    } else if (nowMs - sentMs() >= beatMs) {
      ping();
      pingedMs = nowMs;
    } else {
      cancel = clock.after(sentMs() + beatMs - nowMs, look);
      return;
    }
    cancel = clock.after(beatMs, look);
  };
  cancel = clock.after(heartbeatMs(), look);
  return {
    heard() {
      pingedMs = undefined;
    },
    stop: () => cancel?.(),
  };
}
