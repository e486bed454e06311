import type { Attempt, AttemptRecord, Call } from "../core/call.ts";
import { CacheStatus } from "../core/chat.ts";
import { type Clock, sleep } from "../core/clock.ts";
import { ChatError, chatErrorFrom } from "../core/error.ts";
import type { AttemptStream, Handler } from "../core/handler.ts";
import { noTarget, planCall, type PlanSources } from "./plan.ts";
import { Progress, type Step } from "./progress.ts";

/**
 * Room 5, the seam: the only function that turns a call into attempts, and the only loop that tries again. The first
 * content wins; until then a failure is somebody else's chance, after it the stream belongs to the caller.
 */
export function dispatch(sources: PlanSources, attempt: Handler<Attempt, AttemptStream>): Handler<Call> {
  const { clock } = sources;
  return async (call) => {
    const plan = planCall(call, sources);
    if (plan.ranked.length === 0) throw noTarget(plan, call.request.model);
    const attempts: AttemptRecord[] = [];
    const random = randomFrom(call.seed);
    const ranked = call.request.routing?.allowFallback === false ? plan.ranked.slice(0, 1) : plan.ranked;
    const progress = new Progress(ranked, attemptsMax(call), call.snapshot.options, random);
    for (let step = progress.next(); step !== undefined; step = progress.next()) {
      // A wait that would outlive the deadline is not begun: the answer is known already.
      if (step.pauseMs > 0 && clock.now() + step.pauseMs >= call.deadline) break;
      try {
        if (step.pauseMs > 0) await sleep(clock, step.pauseMs, call.signal);
        const stream = await tryTarget({ call, step, attempts, clock, attempt });
        return {
          source: { target: step.target, cache: CacheStatus.BYPASS, attempts, notes: stream.head.notes, rule: plan.rule },
          batches: stream.batches,
        };
      } catch (thrown) {
        if (call.signal.aborted) throw ended(call.signal.reason, attempts);
        progress.failed(step, chatErrorFrom(thrown));
      }
    }
    throw ended(progress.verdict(), attempts);
  };
}

interface Trying {
  readonly call: Call;
  readonly step: Step;
  readonly attempts: AttemptRecord[];
  readonly clock: Clock;
  readonly attempt: Handler<Attempt, AttemptStream>;
}

async function tryTarget({ call, step, attempts, clock, attempt }: Trying): Promise<AttemptStream> {
  const { target, kind, patienceMs } = step;
  const record: AttemptRecord = {
    id: `${call.id}.${attempts.length + 1}`,
    target,
    kind,
    startWall: clock.wall(),
    startMs: clock.now(),
    firstContentMs: undefined,
    endMs: undefined,
    status: 0,
    upstreamRequestId: "",
    error: undefined,
    usage: undefined,
    won: false,
  };
  try {
    const stream = await attempt({ ...call, target, ordinal: attempts.length, patienceMs, insist: false });
    attempts.push(record);
    record.firstContentMs = stream.firstContentMs;
    record.status = stream.head.status;
    record.upstreamRequestId = stream.head.requestId;
    record.won = true;
    stream.onEnd(({ error, usage }) => {
      record.endMs = clock.now();
      record.error = error;
      record.usage = usage;
    });
    return stream;
  } catch (thrown) {
    const error = chatErrorFrom(thrown);
    if (error.skipped === undefined) {
      attempts.push(record);
      record.endMs = clock.now();
      record.error = error;
      record.status = error.upstream?.status ?? 0;
      record.upstreamRequestId = error.upstream?.requestId ?? "";
      record.usage = error.usage;
    }
    throw error;
  }
}

function attemptsMax({ request, snapshot }: Call): number {
  const { routing } = request;
  if (routing?.allowFallback === false) return 1;
  return Math.min(snapshot.options.attemptsMax, routing?.maxAttempts ?? Number.POSITIVE_INFINITY);
}

function ended(reason: unknown, attempts: readonly AttemptRecord[]): ChatError {
  const error = reason instanceof ChatError ? reason : new ChatError("CANCELLED", "the call was aborted", { cause: reason });
  error.attempts = attempts;
  return error;
}

/** Mulberry32 (Tommy Ettinger, public domain): small, seeded, good enough for jitter. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
