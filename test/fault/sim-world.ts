/**
 * The real rooms over scripted providers, in virtual time: what the simulation runs schedules of calls and faults through.
 * Every rule that must hold whatever happens is looked at while it runs, and what breaks one is told in words.
 */
import type { Attempt, Call, Snapshot } from "../../src/core/call.ts";
import { type Batch, BreakerState, type ChatRequest, CacheMode, ProviderState } from "../../src/core/chat.ts";
import { ChatError, chatErrorFrom } from "../../src/core/error.ts";
import { compose } from "../../src/core/handler.ts";
import type { HealthView } from "../../src/core/health.ts";
import type { Provider, ProviderEvent } from "../../src/core/provider.ts";
import type { CallRecord } from "../../src/core/telemetry.ts";
import { createCallDesk } from "../../src/server/call-desk.ts";
import { admit } from "../../src/stages/admit.ts";
import { callProvider } from "../../src/stages/call-provider.ts";
import { dispatch } from "../../src/stages/dispatch.ts";
import { guard } from "../../src/stages/guard.ts";
import { meter } from "../../src/stages/meter.ts";
import { refusal } from "../../src/stages/refusal.ts";
import { createCallLimiter } from "../../src/stores/call-limiter.ts";
import { createHedgeBudget } from "../../src/stores/hedge-budget.ts";
import { createKeyLimits } from "../../src/stores/key-limits.ts";
import { createRetryBudget } from "../../src/stores/retry-budget.ts";
import { createSlots } from "../../src/stores/slots.ts";
import { createWindowHealth } from "../../src/stores/window-health.ts";
import { callOf, settled, snapshotOf, targetOf, textIn } from "../stages/support.ts";
import { chatRequest } from "../support/attempt.ts";
import { createFakeClock, type FakeClock } from "../support/fake-clock.ts";
import { type Outcome, type Play, randomFrom, type Schedule, type SimReport, type Visit } from "./sim-schedule.ts";
import { playAttempt } from "./sim-upstream.ts";

/** One attempt at a scripted upstream. */
interface Live {
  readonly callId: string;
  readonly target: string;
  readonly insist: boolean;
  readonly trial: boolean;
  /** Aborted: its socket is closed, and it is no call any more. */
  readonly signal: AbortSignal;
}

/** What is known of a call. */
interface Known {
  /** Its name stands for one target only. */
  readonly lone: boolean;
  /** When it made its first attempt no other target could be called. */
  alone: boolean;
  readonly attempts: Live[];
  hasContent: boolean;
  /** Outcomes that were told. */
  ended: number;
}

/** Attempts that may ask one target beside its breaker at a time, when most targets are out. */
const panicAttemptsMax = 4;

/** Runs a schedule to its end. */
export async function simulate(schedule: Schedule): Promise<SimReport> {
  const world = new World(schedule);
  return world.run();
}

class World {
  readonly #clock: FakeClock;
  readonly #schedule: Schedule;
  readonly #violations: string[] = [];
  readonly #outcomes: Outcome[] = [];
  readonly #live = new Set<Live>();
  readonly #coolUntil = new Map<string, number>();
  readonly #calls = new Map<string, Known>();
  readonly #targets;
  readonly #snapshot: Snapshot;
  readonly #health;
  readonly #slots;
  readonly #limiter = createCallLimiter();
  readonly #chat;
  readonly #desk;
  #ids = 0;
  #attempts = 0;

  constructor(schedule: Schedule) {
    const fake = createFakeClock();
    const { wallMs } = schedule;
    const clock = wallMs === undefined ? fake : { ...fake, wall: () => wallMs(fake.now()) };
    this.#clock = clock;
    this.#schedule = schedule;
    const random = randomFrom(schedule.seed);
    this.#targets = schedule.upstreams.map((_, i) => targetOf(`${i}/m`));
    const providers = new Map(this.#targets.map(({ provider }, i): [string, Provider] => [provider, this.#provider(provider, i)]));
    const made = snapshotOf(this.#targets);
    const { rank } = made.policy;
    let ranked = 0;
    const policy = {
      ...made.policy,
      rank: (...asked: Parameters<typeof rank>) => {
        if (schedule.policyThrows?.(ranked++) === true) throw new TypeError("a policy's own bug");
        return rank(...asked);
      },
    };
    this.#snapshot = { ...made, policy, providers, options: { ...made.options, ...schedule.options } };
    this.#health = createWindowHealth({
      clock,
      random,
      breaker: { consecutiveFailures: 5, failureRatio: 0.5, callsMin: 20, windowMs: 30_000, openMs: 5000, openMsMax: 300_000 },
    });
    this.#slots = createSlots(clock, (target, insist) => this.#health.concurrencyLimit(target, insist));
    for (const { provider } of this.#targets) this.#slots.declare(provider, schedule.slotsEach);
    this.#health.declare(this.#targets.map(({ provider, id }) => ({ name: provider, targets: [id], concurrencyMax: schedule.slotsEach })));
    const rooms = compose([guard(this.#health, this.#slots, clock), refusal], callProvider(clock));
    const sources = {
      health: this.#health,
      clock,
      stateOf: () => ProviderState.ENABLED,
      retries: createRetryBudget(clock),
      hedges: createHedgeBudget(),
    };
    const observer = { began: (call: Call) => this.#began(call), ended: (record: CallRecord) => this.#ended(record) };
    this.#chat = compose<Call, Awaited<ReturnType<ReturnType<typeof dispatch>>>>(
      [meter([observer], clock), admit(this.#limiter, createKeyLimits({ clock }))],
      dispatch(sources, rooms),
    );
    this.#desk = createCallDesk({
      router: { snapshot: () => this.#snapshot },
      clock,
      newId: () => `call-${this.#ids++}`,
      random,
    });
  }

  async run(): Promise<SimReport> {
    this.#awaitVisit(0);
    for (let next = this.#clock.nextMs(); next !== undefined; next = this.#clock.nextMs()) {
      this.#clock.advance(next - this.#clock.now());
      // Whatever the timer set off runs on until only time can move it.
      await settled();
      this.#lookAround();
    }
    this.#lookAtEnd();
    const views = this.#targets.map(({ id }) => this.#health.view(id));
    this.#health.close();
    return {
      outcomes: this.#outcomes,
      violations: this.#violations,
      attempts: this.#attempts,
      breakers: views.map(({ breaker }) => breaker),
      successRatios: views.map(({ successRatio }) => successRatio),
    };
  }

  /** One timer for all who are still to come: a clock with thousands of them is slow. */
  #awaitVisit(index: number): void {
    const visit = this.#schedule.visits[index];
    if (visit === undefined) return;
    this.#clock.after(visit.atMs - this.#clock.now(), () => {
      void this.#visit(visit);
      this.#awaitVisit(index + 1);
    });
  }

  #broken(what: string): void {
    // The first ones tell; the rest are their consequences.
    if (this.#violations.length < 10) this.#violations.push(`at ${this.#clock.now()} ms: ${what}`);
  }

  // A caller, as a door is one.

  async #visit(visit: Visit): Promise<void> {
    const clock = this.#clock;
    const request: ChatRequest = chatRequest("hi", {
      model: visit.model,
      routing: {
        ...(visit.maxAttempts !== undefined && { maxAttempts: visit.maxAttempts }),
        ...(visit.allowFallback !== undefined && { allowFallback: visit.allowFallback }),
      },
    });
    const opened = this.#desk.open({
      door: "grpc",
      key: callOf().key,
      request,
      streamed: visit.streamed,
      wishes: {
        requestId: undefined,
        timeoutMs: visit.timeoutMs,
        tags: undefined,
        affinity: undefined,
        cache: CacheMode.UNSPECIFIED,
        traceparent: undefined,
      },
      receivedMs: clock.now(),
      id: this.#desk.newId(),
    });
    const { call } = opened;
    const cancelLeave =
      visit.leavesAfterMs === undefined
        ? undefined
        : clock.after(visit.leavesAfterMs, () => opened.abort(new ChatError("CANCELLED", "the caller left")));
    const read: Batch[] = [];
    let error: ChatError | undefined;
    try {
      const { batches } = await this.#chat(call);
      const known = this.#calls.get(call.id);
      if (known !== undefined) known.hasContent = true;
      for await (const batch of batches) read.push(batch);
    } catch (thrown) {
      error = chatErrorFrom(thrown);
    } finally {
      opened.close();
      cancelLeave?.();
    }
    this.#over(call, { visit, read, error });
  }

  #over(
    call: Call,
    { visit, read, error }: { readonly visit: Visit; readonly read: readonly Batch[]; readonly error: ChatError | undefined },
  ): void {
    const nowMs = this.#clock.now();
    const text = textOf(read);
    const known = this.#calls.get(call.id);
    const asked = known?.attempts.map(({ target }) => target) ?? [];
    this.#outcomes.push({ visit, failure: error?.failure, text, endMs: nowMs, asked });
    // Sums of fractions differ in their last bits.
    if (nowMs > call.deadline + 1e-6) this.#broken(`${call.id} ended ${nowMs - call.deadline} ms after its deadline`);
    const speakers = new Set(text.split(" ").flatMap((word) => (word === "" ? [] : [word.slice(0, word.lastIndexOf("."))])));
    if (speakers.size > 1) this.#broken(`${call.id} heard ${[...speakers].join(" and ")} in one answer`);
    const words = text.split(" ").filter((word) => word !== "");
    if (words.some((word, i) => !word.endsWith(`.${i}`))) this.#broken(`${call.id} misses a piece: ${text}`);
    const complete = read.flat().some((event) => event.case === "completed" || event.case === "whole");
    if (error === undefined && !complete) this.#broken(`${call.id} looked finished, and was not`);
    if (error !== undefined && complete) this.#broken(`${call.id} was complete, and failed with ${error.failure}`);
    const left = visit.leavesAfterMs !== undefined && nowMs >= visit.atMs + visit.leavesAfterMs;
    if (error?.failure === "CANCELLED" && !left) this.#broken(`${call.id} was cancelled by nobody`);
    if (error?.failure === "INTERNAL" && this.#schedule.policyThrows === undefined)
      this.#broken(`${call.id} met a bug: ${String(error.cause)}`);
    if (known?.ended !== 1) this.#broken(`${call.id} has ${known?.ended} outcomes`);
  }

  // What the rooms tell of it.

  #began({ id, request }: Call): void {
    if (this.#calls.has(id)) return this.#broken(`${id} began twice`);
    this.#calls.set(id, {
      lone: request.model !== "m" || this.#targets.length === 1,
      alone: false,
      attempts: [],
      hasContent: false,
      ended: 0,
    });
  }

  #ended({ call, attempts }: CallRecord): void {
    const known = this.#calls.get(call.id);
    if (known === undefined) return this.#broken(`${call.id} ended without a beginning`);
    known.ended++;
    const made = known.attempts.length;
    if (attempts.length !== made) this.#broken(`${call.id} recorded ${attempts.length} attempts, and made ${made}`);
  }

  // The upstreams.

  #provider(name: string, index: number): Provider {
    const plays = this.#schedule.upstreams[index] ?? [];
    let nth = 0;
    return {
      name,
      chat: (attempt) => {
        const play = typeof plays === "function" ? plays(this.#clock.now(), nth) : plays[Math.min(nth, plays.length - 1)];
        nth++;
        return this.#play(attempt, play ?? { beginMs: 1, pieces: 1, gapMs: 1, end: "completes" });
      },
    };
  }

  async *#play(attempt: Attempt, play: Play): AsyncGenerator<readonly ProviderEvent[]> {
    const live = this.#arrived(attempt);
    try {
      for await (const events of playAttempt(this.#clock, attempt, play)) {
        // Its slot is free as soon as the last event is read.
        if (events.some((each) => each.case === "completed" || each.case === "whole")) this.#live.delete(live);
        yield events;
      }
    } catch (thrown) {
      this.#heard(attempt, thrown);
      throw thrown;
    } finally {
      this.#live.delete(live);
    }
  }

  /** A target said when it wishes to be asked again. */
  #heard({ target }: Attempt, thrown: unknown): void {
    if (!(thrown instanceof ChatError) || thrown.retryAfterMs === undefined) return;
    if (thrown.failure !== "RATE_LIMITED" && thrown.failure !== "OVERLOADED") return;
    this.#coolUntil.set(target.id, Math.max(this.#coolUntil.get(target.id) ?? 0, this.#clock.now() + thrown.retryAfterMs));
  }

  /** An attempt has reached its upstream: was it allowed to? */
  #arrived({ id: callId, target, insist, deadline, signal, request, snapshot }: Attempt): Live {
    const nowMs = this.#clock.now();
    const { breaker } = this.#health.view(target.id);
    const live: Live = {
      callId,
      target: target.id,
      insist: insist !== undefined && breaker !== BreakerState.CLOSED,
      trial: breaker === BreakerState.HALF_OPEN && insist === undefined,
      signal,
    };
    const running = [...this.#live].filter((each) => each.target === target.id && !each.signal.aborted);
    this.#live.add(live);
    this.#attempts++;
    const known = this.#calls.get(callId);
    if (known === undefined) this.#broken(`${callId} made an attempt before it began`);
    const mine = known?.attempts ?? [];
    mine.push(live);
    const group = known !== undefined && !known.lone;
    if (known !== undefined && mine.length === 1)
      known.alone = this.#targets.every(({ id }) => id === target.id || isBarred(this.#health.view(id)));
    const wished = request.routing?.allowFallback === false ? 1 : (request.routing?.maxAttempts ?? Infinity);
    const attemptsMax = Math.min(snapshot.options.attemptsMax, wished);
    const here = mine.filter((each) => each.target === target.id).length;
    if (mine.length > attemptsMax) this.#broken(`${callId} made attempt ${mine.length} of at most ${attemptsMax}`);
    if (group && !known.alone && here > 2) this.#broken(`${callId} asked ${target.id} ${here} times`);
    if (nowMs >= deadline) this.#broken(`${callId} began an attempt ${nowMs - deadline} ms after its deadline`);
    if (signal.aborted) this.#broken(`${callId} began an attempt after it had ended`);
    if (known?.hasContent === true) this.#broken(`${callId} began an attempt after its first content`);
    if (breaker === BreakerState.OPEN && insist === undefined) this.#broken(`${callId} passed the open breaker of ${target.id}`);
    if (live.trial && running.some(({ trial }) => trial)) this.#broken(`${target.id} was half-open to two at once`);
    if (group && live.insist && running.filter((each) => each.insist).length >= panicAttemptsMax)
      this.#broken(`more than ${panicAttemptsMax} insisted on ${target.id} at once`);
    if (running.length >= this.#schedule.slotsEach) this.#broken(`${target.id} had ${running.length + 1} calls at once`);
    const coolUntil = this.#coolUntil.get(target.id) ?? 0;
    if (nowMs < coolUntil) this.#broken(`${callId} asked ${target.id} ${coolUntil - nowMs} ms before it wished to be asked`);
    return live;
  }

  /** Between two moments: what is over has let go of everything. */
  #lookAround(): void {
    for (const attempt of this.#live) {
      if (this.#calls.get(attempt.callId)?.ended === 0) continue;
      this.#broken(`${attempt.callId} is over, and ${attempt.target} still works for it`);
      this.#live.delete(attempt);
    }
  }

  #lookAtEnd(): void {
    const { visits } = this.#schedule;
    if (this.#outcomes.length !== visits.length) this.#broken(`${visits.length} calls had ${this.#outcomes.length} outcomes`);
    if (this.#limiter.running() !== 0) this.#broken(`${this.#limiter.running()} calls still hold their lease`);
    for (const { provider } of this.#targets) {
      const used = this.#slots.inUse(provider);
      if (used !== 0) this.#broken(`${used} slots of ${provider} are still taken`);
    }
  }
}

function isBarred({ openUntilMs, coolingUntilMs, lockedUntilMs, lacks }: HealthView): boolean {
  return openUntilMs > 0 || coolingUntilMs > 0 || lockedUntilMs > 0 || lacks.length > 0;
}

function textOf(batches: readonly Batch[]): string {
  let text = textIn(batches);
  for (const event of batches.flat()) {
    if (event.case !== "whole") continue;
    const part = event.value.choices[0]?.message?.content[0]?.part;
    if (part?.case === "text") text += part.value.text;
  }
  return text;
}
