import type { Contestant } from "./contestants.ts";
import type { Scene } from "./scenes.ts";
import type { Sums, Tally } from "./tally.ts";

/** Of the run, in which calls are counted together for the picture. */
const binMinutes = 5;
/** Over which a share is looked at to tell whether it is what it was. */
const recoveryWindowMinutes = 5;
const recoveredShare = 0.9;
/** After the trouble, in which a rush may be seen. */
const rushMinutes = 10;

/** What a scene did to a policy. */
export interface Result {
  readonly scene: Scene;
  readonly contestant: Contestant;
  /** Of the scene without trouble, all of it. */
  readonly during: Sums;
  /** Absent where there is no trouble. */
  readonly aftermath?: Aftermath;
  /** In the order of time. */
  readonly bins: readonly Bin[];
}

/** What became of the provider that was in trouble. */
export interface Aftermath {
  /** Of calls that were sent to it first, before. */
  readonly shareBefore: number;
  /** In the last half hour of the run. */
  readonly shareAfter: number;
  /** From the end of the trouble until it has nine tenths of its share again, over five minutes; undefined: not in this run. */
  readonly recoveryMinutes: number | undefined;
  /** First attempts at it in the busiest of the ten minutes after, over those in the mean minute before. */
  readonly rush: number;
}

/** A point of a curve. */
export interface Bin extends Pick<Sums, "p95Ms" | "share"> {
  /** Of the day in UTC. */
  readonly hour: number;
}

/** Sums up a run. */
export function resultOf(scene: Scene, contestant: Contestant, tally: Tally): Result {
  const { fromHour, untilHour, trouble } = scene;
  const minuteOf = (hour: number): number => Math.round((hour - fromHour) * 60);
  const bins: Bin[] = [];
  for (let minute = 0; minute < minuteOf(untilHour); minute += binMinutes) {
    const { p95Ms, share } = tally.sums(minute, minute + binMinutes);
    bins.push({ hour: fromHour + (minute + binMinutes / 2) / 60, p95Ms, share });
  }
  if (trouble === undefined) return { scene, contestant, during: tally.sums(), bins };
  const [begin, end, last] = [minuteOf(trouble.fromHour), minuteOf(trouble.untilHour), minuteOf(untilHour)];
  const shareBefore = tally.sums(0, begin).share;
  const firsts = tally.firstAttempts();
  const before = firsts.slice(0, begin).reduce((sum, count) => sum + count, 0) / begin;
  return {
    scene,
    contestant,
    during: tally.sums(begin, end),
    aftermath: {
      shareBefore,
      shareAfter: tally.sums(last - 30, last).share,
      recoveryMinutes: recoveryMinutes(tally, { end, last, wanted: recoveredShare * shareBefore }),
      rush: before === 0 ? 0 : Math.max(0, ...firsts.slice(end, end + rushMinutes)) / before,
    },
    bins,
  };
}

interface Recovery {
  /** Of the run. */
  readonly end: number;
  readonly last: number;
  readonly wanted: number;
}

function recoveryMinutes(tally: Tally, { end, last, wanted }: Recovery): number | undefined {
  for (let minute = end; minute + recoveryWindowMinutes <= last; minute++)
    if (tally.sums(minute, minute + recoveryWindowMinutes).share >= wanted) return minute - end;
  return undefined;
}
