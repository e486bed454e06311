import { chance, purposeOf } from "../../src/core/chance.ts";
import type { Attempt } from "../../src/core/call.ts";
import { type ChatEvent, FinishReason, partDelta, usageOf } from "../../src/core/chat.ts";
import { type Clock, sleep } from "../../src/core/clock.ts";
import { ChatError } from "../../src/core/error.ts";
import type { Provider, ProviderEvent } from "../../src/core/provider.ts";
import { failureOfStatus } from "../../src/core/upstream-status.ts";
import type { Arrival } from "./arrivals.ts";
import { logNormalFrom } from "./draws.ts";
import type { Fleet, VirtualTarget } from "./fleet.ts";
import { type Scene, troubleAt, type Trouble } from "./scenes.ts";

/** How long it takes to hear that nobody is there, or that there is no room. */
const refusedConnectionMs = 60;
const fullMs = 25;
const refusingMs = 3;
/** How times to the first token differ from call to call; of their logarithm. */
const noise = 0.35;
/** Of failures, how many come after the first token. */
const lateShare = 0.1;
/** A target that is used up to that share of its capacity takes 1 / (1 - share) of its time to the first token. */
const utilisationMax = 0.95;

const lots = {
  one: purposeOf("first token"),
  other: purposeOf("first token, too"),
  failing: purposeOf("failing"),
  late: purposeOf("failing late"),
  refusing: purposeOf("refusing"),
};

/** All vendors, and what is true of their targets. */
export interface Upstreams {
  readonly providers: ReadonlyMap<string, Provider>;
  /** What no router can know: what a call to the target would meet now. */
  truth(this: void, id: string): Truth;
}

/** What a call would meet. */
export interface Truth {
  /** It is down, full, or refuses nearly everybody. */
  readonly isOut: boolean;
  /** Expected milliseconds to the first token. */
  readonly firstTokenMs: number;
}

/** What they are made of. */
export interface UpstreamParts {
  readonly clock: Clock;
  readonly fleet: Fleet;
  readonly scene: Scene;
  /** By the call's id. */
  readonly arrivalOf: (id: string) => { readonly number: number; readonly arrival: Arrival };
}

/** Makes the vendors of a fleet: one provider for all targets of each. */
export function createUpstreams({ clock, fleet, scene, arrivalOf }: UpstreamParts): Upstreams {
  const [first = ""] = fleet.providers;
  const trouble = (provider: string): Trouble => (provider === first ? troubleAt(scene, clock.now()) : {});
  const targets = new Map(fleet.targets.map((target): [string, Live] => [target.id, { target, inFlight: 0 }]));
  const liveOf = (id: string): Live => {
    const live = targets.get(id);
    if (live === undefined) throw new Error(`there is no target ${id}`);
    return live;
  };
  const provider = (name: string): Provider => ({
    name,
    chat(attempt) {
      const { number, arrival } = arrivalOf(attempt.id);
      const live = liveOf(attempt.target.id);
      const draw = (lot: number): number => chance(number + attempt.ordinal * 2 ** 32, live.target.purpose ^ lot);
      return answer({ clock, attempt, arrival, live, draw, trouble: trouble(name) });
    },
  });
  return {
    providers: new Map(fleet.providers.map((name) => [name, provider(name)])),
    truth(id) {
      const live = liveOf(id);
      const { isDown, refusing } = trouble(live.target.provider);
      const isOut = isDown === true || refusing !== undefined || live.inFlight >= live.target.capacity;
      return { isOut, firstTokenMs: medianMs(live, trouble(live.target.provider)) };
    },
  };
}

/** A target, and the calls that run at it. */
interface Live {
  readonly target: VirtualTarget;
  inFlight: number;
}

interface Asked {
  readonly clock: Clock;
  readonly attempt: Attempt;
  readonly arrival: Arrival;
  readonly live: Live;
  /** In [0, 1), by a purpose: the luck of this call at this target, whatever else goes on. */
  readonly draw: (lot: number) => number;
  readonly trouble: Trouble;
}

/** One answer in two pieces: the first token, and the rest when it is there. What comes between is no matter of routing. */
async function* answer({ clock, attempt, arrival, live, draw, trouble }: Asked): AsyncGenerator<readonly ProviderEvent[]> {
  const { signal } = attempt;
  const { target } = live;
  if (trouble.isDown === true) {
    await sleep(clock, refusedConnectionMs, signal);
    throw new ChatError("UPSTREAM_UNAVAILABLE", "the connection was refused");
  }
  const { refusing } = trouble;
  if (refusing !== undefined && draw(lots.refusing) < refusing.share) {
    await sleep(clock, refusingMs, signal);
    throw refused(refusing.status);
  }
  if (live.inFlight >= target.capacity) {
    await sleep(clock, fullMs, signal);
    throw refused(429);
  }
  const slowness = trouble.slowness ?? 1;
  const firstMs = logNormalFrom({ median: medianMs(live, trouble), sigma: noise }, draw(lots.one), draw(lots.other));
  const restMs = (1000 * slowness * arrival.outputTokens) / target.tokensPerSecond;
  const fails = draw(lots.failing) < (trouble.failing ?? target.failureRatio);
  const failsLate = fails && draw(lots.late) < lateShare;
  live.inFlight++;
  try {
    await sleep(clock, firstMs, signal);
    if (fails && !failsLate) throw refused(500);
    yield [head, partDelta(0, 0, { case: "text", value: "word" })];
    await sleep(clock, failsLate ? restMs / 2 : restMs, signal);
    if (failsLate) throw new ChatError("UPSTREAM_UNAVAILABLE", "the connection was reset");
    yield [finished(), completed(arrival)];
  } finally {
    live.inFlight--;
  }
}

function medianMs({ target, inFlight }: Live, { slowness = 1 }: Trouble): number {
  return (target.firstTokenMs * slowness) / (1 - Math.min(utilisationMax, inFlight / target.capacity));
}

function refused(status: number): ChatError {
  return new ChatError(failureOfStatus(status, undefined), `answered ${status}`, { upstream: { status, requestId: "" } });
}

const head: ProviderEvent = { case: "head", value: { status: 200, requestId: "", notes: [] } };

function finished(): ChatEvent {
  const value = { choiceIndex: 0, finishReason: FinishReason.STOP, nativeFinishReason: "", stopSequence: "", extensionsJson: {} };
  return { case: "choiceEnded", value: { $typeName: "semaroute.v1.ChoiceEnded", ...value } };
}

function completed({ inputTokens, outputTokens }: Arrival): ChatEvent {
  const usage = usageOf(inputTokens, outputTokens);
  const value = { serviceTier: "", systemFingerprint: "", extensionsJson: {}, usage };
  return { case: "completed", value: { $typeName: "semaroute.v1.StreamCompleted", ...value } };
}
