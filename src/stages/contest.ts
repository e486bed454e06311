import type { HedgeBudget, RetryBudget } from "../core/budget.ts";
import type { Attempt, AttemptRecord, Call } from "../core/call.ts";
import type { Target } from "../core/catalog.ts";
import { AttemptKind, isEmbedRequest, type TranslationNote, type Usage } from "../core/chat.ts";
import type { Clock } from "../core/clock.ts";
import { ChatError, chatErrorFrom } from "../core/error.ts";
import type { AttemptStream, Handler } from "../core/handler.ts";
import { priced } from "../core/price.ts";
import { createUsageTally } from "../core/usage-tally.ts";
import { mustNotRunTwice } from "./needs.ts";
import type { Plan, PlanSources } from "./plan.ts";
import { unsealedNote, withoutSealedState } from "./sealed-state.ts";
import { isOurOwnNo, type Progress, type Step } from "./progress.ts";

/** What dispatch looks at besides the call. */
export interface DispatchSources extends PlanSources {
  readonly retries: RetryBudget;
  readonly hedges: HedgeBudget;
}

/** What the attempts of one call share. */
export interface Contest {
  readonly call: Call;
  readonly progress: Progress;
  /** Of the call; each attempt that was made adds its record. */
  readonly attempts: AttemptRecord[];
  readonly attempt: Handler<Attempt, AttemptStream>;
  readonly sources: DispatchSources;
  readonly insist: Plan["insist"];
}

/** Who answered. */
export interface Won {
  readonly target: Target;
  readonly stream: AttemptStream;
  /** What was changed about the request on its way there. */
  readonly notes: readonly TranslationNote[];
}

/**
 * One step: an attempt, and beside it a second one where the first is slower than it mostly is. The first content wins, the
 * other is left. Undefined: nobody answered, and `progress` knows why.
 */
export async function contest(step: Step, parts: Contest): Promise<Won | undefined> {
  const waitMs = hedgeAfterMs(step, parts);
  const first = new Runner(step, parts, waitMs !== undefined);
  if (waitMs === undefined) {
    const outcome = await first.outcome;
    if (outcome.kind === "won" || outcome.error.skipped === undefined) earn(step, parts);
    return settled(outcome, parts);
  }
  const early = await within(parts.sources.clock, waitMs, first.outcome);
  if (early?.kind !== "lost" || early.error.skipped === undefined) earn(step, parts);
  if (early !== undefined) return settled(early, parts);
  const beside = parts.progress.beside(step);
  if (beside === undefined || !parts.sources.hedges.take(beside.candidate)) return settled(await first.outcome, parts);
  // Both are told of from now on, in the order they began.
  first.enlist();
  return race(first, new Runner(beside, parts, true), parts);
}

/** Each call that is sent to a target pays into the purse that hedges are paid from. */
function earn({ candidate }: Step, { call, sources }: Contest): void {
  const { hedge } = call.snapshot.options;
  if (hedge !== undefined) sources.hedges.began(candidate, hedge.extraCostRatioMax);
}

/** Undefined: this step is not hedged. */
function hedgeAfterMs({ target, patienceMs }: Step, { call, sources, attempts }: Contest): number | undefined {
  const { hedge } = call.snapshot.options;
  if (hedge === undefined) return undefined;
  // One hedge a call.
  const hedged = attempts.some(({ kind }) => kind === AttemptKind.HEDGE);
  if (patienceMs > 0 || hedged || mustNotRunTwice(call)) return undefined;
  const waitMs = sources.health.latencyQuantileMs(target.id, call.streamed, hedge.quantile);
  return waitMs !== undefined && sources.clock.now() + waitMs < call.deadline ? waitMs : undefined;
}

async function race(first: Runner, second: Runner, parts: Contest): Promise<Won | undefined> {
  const early = await Promise.race([first.outcome, second.outcome]);
  const other = early.runner === first ? second : first;
  const won = settled(early, parts);
  if (won === undefined && !parts.progress.stopped) return settled(await other.outcome, parts);
  other.leave();
  return won;
}

/** Undefined: the time passed first. */
async function within<T>(clock: Clock, ms: number, pending: Promise<T>): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>();
  const cancel = clock.after(ms, () => late.resolve(undefined));
  const first = await Promise.race([pending, late.promise]);
  cancel();
  return first;
}

function settled(outcome: Outcome, { progress }: Contest): Won | undefined {
  if (outcome.kind === "won") {
    const { stream, runner } = outcome;
    const { target, bare } = runner.step;
    return { target, stream, notes: bare ? [unsealedNote, ...stream.head.notes] : stream.head.notes };
  }
  progress.failed(outcome.runner.step, outcome.error, outcome.tookMs);
  return undefined;
}

type Outcome =
  | { readonly kind: "won"; readonly runner: Runner; readonly stream: AttemptStream }
  | { readonly kind: "lost"; readonly runner: Runner; readonly error: ChatError; readonly tookMs: number };

/** One attempt under way, and its record. */
class Runner {
  readonly step: Step;
  /** Never rejects. */
  readonly outcome: Promise<Outcome>;
  readonly #parts: Contest;
  readonly #record: AttemptRecord;
  /** Undefined: only the call's own signal ends it. */
  readonly #stop: AbortController | undefined;
  #enlisted = false;
  /** When its answer was no longer wanted. */
  #leftMs: number | undefined;

  /** `apart`: it can be left while its call goes on. */
  constructor(step: Step, parts: Contest, apart: boolean) {
    this.step = step;
    this.#parts = parts;
    this.#stop = apart ? new AbortController() : undefined;
    const { attempts, call, sources } = parts;
    this.#record = {
      id: `${call.id}.${attempts.length + 1}`,
      target: step.target,
      kind: step.kind,
      startWall: sources.clock.wall(),
      startMs: sources.clock.now(),
      firstContentMs: undefined,
      endMs: undefined,
      status: 0,
      upstreamRequestId: "",
      error: undefined,
      usage: undefined,
      won: false,
    };
    this.outcome = this.#run().then(this.#won, this.#lost);
  }

  /** Puts its record on the call's list; without effect where it is there. */
  enlist(): void {
    if (this.#enlisted) return;
    this.#enlisted = true;
    this.#parts.attempts.push(this.#record);
  }

  /** Its answer is no longer wanted: closes its upstream, and accounts for what was sent. Its record is final a moment later. */
  leave(): void {
    const error = new ChatError("CANCELLED", "another target answered first", { impatient: true });
    this.#leftMs = this.#parts.sources.clock.now();
    this.#record.error = error;
    this.enlist();
    this.#stop?.abort(error);
    void this.outcome.then((outcome) => {
      // It may have answered in the same moment.
      if (outcome.kind === "won") void outcome.stream.batches.return?.();
    });
  }

  async #run(): Promise<AttemptStream> {
    const { call, attempts, attempt, insist } = this.#parts;
    const { target, patienceMs, bare } = this.step;
    const request = bare && !isEmbedRequest(call.request) ? withoutSealedState(call.request) : call.request;
    const stop = this.#stop;
    if (stop === undefined) return attempt({ ...call, request, target, ordinal: attempts.length, patienceMs, insist });
    const leave = (): void => stop.abort(call.signal.reason);
    if (call.signal.aborted) leave();
    call.signal.addEventListener("abort", leave, { once: true });
    const unlink = (): void => call.signal.removeEventListener("abort", leave);
    try {
      const stream = await attempt({ ...call, request, signal: stop.signal, target, ordinal: attempts.length, patienceMs, insist });
      stream.onEnd(unlink);
      return stream;
    } catch (thrown) {
      unlink();
      throw thrown;
    }
  }

  readonly #won = (stream: AttemptStream): Outcome => {
    const record = this.#record;
    this.enlist();
    record.firstContentMs = stream.firstContentMs;
    record.status = stream.head.status;
    record.upstreamRequestId = stream.head.requestId;
    record.won = this.#leftMs === undefined;
    stream.onEnd(({ error, usage }) => {
      record.usage = usage;
      record.endMs = this.#leftMs ?? this.#parts.sources.clock.now();
      if (this.#leftMs === undefined) record.error = error;
    });
    return { kind: "won", runner: this, stream };
  };

  readonly #lost = (thrown: unknown): Outcome => {
    const error = chatErrorFrom(thrown);
    const record = this.#record;
    const nowMs = this.#parts.sources.clock.now();
    if (error.skipped === undefined && !isOurOwnNo(error)) {
      this.enlist();
      record.status = error.upstream?.status ?? 0;
      record.upstreamRequestId = error.upstream?.requestId ?? "";
      record.usage = error.usage ?? (this.#wasLeft(error) ? this.#sent() : undefined);
      record.endMs = this.#leftMs ?? nowMs;
      if (this.#leftMs === undefined) record.error = error;
    } else if (this.#enlisted) {
      // Left in the moment in which it turned out that it is not made.
      record.error = error;
      record.endMs = nowMs;
    }
    return { kind: "lost", runner: this, error, tookMs: nowMs - record.startMs };
  };

  /** In the middle of its work, before a word of an answer: by us, for another's, or by the caller. */
  #wasLeft({ upstream }: ChatError): boolean {
    return this.#leftMs !== undefined || (upstream === undefined && this.#parts.call.signal.aborted);
  }

  /** A vendor that was left in the middle of its work tells no usage, and charges at least what it was sent. */
  #sent(): Usage {
    return priced(createUsageTally(this.#parts.call.request).usage(), this.step.target.price);
  }
}
