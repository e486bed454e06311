import type { Key } from "../../core/call.ts";
import type { ErrorShape } from "../../core/dialect.ts";
import type { Router } from "../../core/router.ts";
import type { Arrivals } from "../arrivals.ts";
import type { KeyRing } from "../auth.ts";
import type { CallDesk } from "../call-desk.ts";
import type { ServerRequest, ServerResponse } from "../listen.ts";
import type { Upgrade } from "../upgrades.ts";
import type { Clock } from "../../core/clock.ts";

/** What the configuration says about doors; read anew for each request, because a reload may change it. */
export interface DoorSettings {
  readonly keys: KeyRing;
  /** Bytes. */
  readonly bodyMax: number;
  /** Silence on a stream after which a sign of life is sent. */
  readonly heartbeatMs: number;
}

/** What REST doors stand on. */
export interface RestParts {
  readonly router: Router;
  readonly desk: CallDesk;
  readonly clock: Clock;
  /** What is on its way in, by any door. */
  readonly arrivals: Arrivals;
  readonly settings: () => DoorSettings;
  /** Tells of what nobody foresaw. */
  readonly onBug: (error: unknown) => void;
}

/** One request at a REST door. */
export interface RestCall {
  readonly request: ServerRequest;
  readonly response: ServerResponse;
  /** Decoded path parameters. */
  readonly params: Readonly<Record<string, string | undefined>>;
  /** Ours; becomes the call's id where there will be a call. */
  readonly id: string;
  /** The caller's if sane, else ours. */
  readonly requestId: string;
  /** Headers every answer carries: CORS, the request's id, and what the door's language wants. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** How this door tells errors. */
  readonly errors: ErrorShape;
  /** Present where the request asks to speak WebSocket. */
  readonly upgrade?: Upgrade | undefined;
}

/** Who calls: throws what the key ring throws. A promise only where the store has to be asked. */
export function callerOf({ keys }: DoorSettings, request: ServerRequest): Key | Promise<Key> {
  const { authorization } = request.headers;
  return keys.authenticate({ authorization, xApiKey: oneHeader(request, "x-api-key") }, request.socket?.remoteAddress ?? "");
}

/** A header's value; several of one name are one list (RFC 9110, 5.3). */
export function oneHeader(request: ServerRequest, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(", ") : value;
}
