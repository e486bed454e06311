import type { Call } from "../core/call.ts";
import { ChatError, chatErrorFrom } from "../core/error.ts";
import type { ChatStream, Handler, Stage } from "../core/handler.ts";
import type { AnswerSizes, Limits } from "../core/limits.ts";
import { mostOf } from "./most.ts";
import { planCall, type PlanSources } from "./plan.ts";
import { spendOf, SpendingTap } from "./spending-tap.ts";

/** What the room works with. */
export interface AffordParts {
  readonly limits: Pick<Limits, "reserve">;
  readonly sources: PlanSources;
  readonly sizes: AnswerSizes;
}

/**
 * Between recall and dispatch, so that a stored answer needs no money and a shared flight pays once: sets aside what a call may
 * use at most, and settles what all of its attempts used. A stream is watched while it runs, and ended where the money is.
 */
export function afford(parts: AffordParts): Stage<Call> {
  return (next) => (call) => {
    const { limits } = call.key;
    const isFree = limits === undefined || (limits.tokensPerMinute === 0 && limits.budgetMicroUsd === 0);
    return isFree ? next(call) : afforded(call, next, parts);
  };
}

async function afforded(call: Call, next: Handler<Call>, { limits, sources, sizes }: AffordParts): Promise<ChatStream> {
  // Made once more by dispatch: while a call waits for money, the targets' state goes on.
  const plan = planCall(call, sources);
  // Why nobody can serve it, dispatch says.
  if (plan.ranked.length === 0) return next(call);
  const reservation = await limits.reserve(call, () => mostOf(call, plan, sizes));
  if (reservation instanceof ChatError) throw reservation;
  const stop = stoppable(call);
  try {
    const stream = await next(stop.call);
    return { source: stream.source, batches: new SpendingTap({ call, stream, reservation, sizes, stop: stop.stop, onEnd: stop.unlink }) };
  } catch (thrown) {
    stop.unlink();
    reservation.settle(spendOf(chatErrorFrom(thrown).attempts));
    throw thrown;
  }
}

interface Stoppable {
  /** What the rooms behind see. */
  readonly call: Call;
  readonly stop: (error: ChatError) => void;
  readonly unlink: () => void;
}

/** A call that can be ended from here, too. Its deadline may still move, as that of a shared one does. */
function stoppable(call: Call): Stoppable {
  const controller = new AbortController();
  const leave = (): void => controller.abort(call.signal.reason);
  if (call.signal.aborted) leave();
  call.signal.addEventListener("abort", leave, { once: true });
  return {
    call: {
      ...call,
      signal: controller.signal,
      get deadline() {
        return call.deadline;
      },
      get deadlineByCaller() {
        return call.deadlineByCaller;
      },
    },
    stop: (error) => controller.abort(error),
    unlink: () => call.signal.removeEventListener("abort", leave),
  };
}
