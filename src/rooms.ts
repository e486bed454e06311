import type { Attempt, Call } from "./core/call.ts";
import { type AttemptStream, compose } from "./core/handler.ts";
import type { Slots } from "./core/health.ts";
import type { Router } from "./core/router.ts";
import type { CallObserver } from "./core/telemetry.ts";
import { admit } from "./stages/admit.ts";
import { afford } from "./stages/afford.ts";
import { withBooks } from "./stages/books.ts";
import { callProvider } from "./stages/call-provider.ts";
import type { DispatchSources } from "./stages/contest.ts";
import { dispatch } from "./stages/dispatch.ts";
import { guard } from "./stages/guard.ts";
import { locate } from "./stages/locate.ts";
import { meter } from "./stages/meter.ts";
import { recall, type RecallParts } from "./stages/recall.ts";
import { refusal } from "./stages/refusal.ts";
import { createSimilarRoom, type SimilarParts } from "./stages/similar.ts";
import { createShadows, type Shadows } from "./stages/shadow.ts";
import { createAnswerSizes } from "./stores/answer-sizes.ts";
import type { CallLimiter } from "./stores/call-limiter.ts";
import type { ProcessLimits } from "./stores/key-limits.ts";

/** What rooms stand on. */
export interface RoomParts {
  readonly observers: readonly CallObserver[];
  readonly gates: { readonly limiter: CallLimiter; readonly limits: ProcessLimits; readonly slots: Slots };
  readonly recalling: Pick<RecallParts, "cache" | "mode">;
  /** Undefined: questions are not compared. */
  readonly comparing: Pick<SimilarParts, "answers" | "choice"> | undefined;
  readonly sources: DispatchSources;
  readonly sparing: () => boolean;
  /** Whether what budgets spend can be written down. */
  readonly hasBooks: () => boolean;
}

/** From outside to inside, as calls walk them. */
export function createRooms({
  observers,
  gates,
  recalling,
  comparing,
  sources,
  sparing,
  hasBooks,
}: RoomParts): Pick<Router, "chat"> & { readonly shadows: Shadows } {
  const { health, clock } = sources;
  const { limiter, limits, slots } = gates;
  const attempt = compose<Attempt, AttemptStream>([guard(health, slots, clock), refusal], callProvider(clock));
  const shadows = createShadows({ sources, attempt, observers, sparing });
  const similar = comparing && createSimilarRoom({ ...comparing, embed: dispatch(sources, attempt), observers, clock });
  const chat = compose<Call, Awaited<ReturnType<Router["chat"]>>>(
    [
      meter(observers, clock),
      admit(limiter, limits),
      recall({ ...recalling, clock, sparing, similar }),
      locate(sources),
      afford({ limits: withBooks(limits, hasBooks), sources, sizes: createAnswerSizes() }),
    ],
    dispatch(sources, attempt, shadows),
  );
  return { chat, shadows };
}
