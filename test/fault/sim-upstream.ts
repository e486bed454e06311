import type { Attempt } from "../../src/core/call.ts";
import { type Clock, sleep } from "../../src/core/clock.ts";
import { ChatError } from "../../src/core/error.ts";
import type { ProviderEvent } from "../../src/core/provider.ts";
import { completed, finished, said, started, whole } from "../stages/support.ts";
import type { Play } from "./sim-schedule.ts";

/**
 * One attempt at a scripted upstream. What it says tells who said it: `provider.attempt.piece`, so that a splice and a gap
 * show in the text.
 */
export async function* playAttempt(clock: Clock, attempt: Attempt, play: Play): AsyncGenerator<readonly ProviderEvent[]> {
  const { target, streamed, signal } = attempt;
  const who = `${target.provider}.${attempt.ordinal}`;
  await sleep(clock, play.beginMs, signal);
  if (play.pieces > 0 || play.end === "completes") yield [{ case: "head", value: { status: 200, requestId: who, notes: [] } }];
  if (streamed) yield [started];
  for (let i = 0; i < play.pieces; i++) {
    await sleep(clock, play.gapMs, signal);
    if (streamed) yield [said(`${who}.${i} `)];
  }
  switch (play.end) {
    case "cuts":
      return;
    case "stalls":
      await sleep(clock, 1e9, signal);
      return;
    case "completes":
      yield streamed ? [finished(), completed()] : [whole(`${who}.0 `)];
      return;
    default:
      throw new ChatError(play.end, `scripted ${play.end}`, {
        retryAfterMs: play.retryAfterMs,
        upstream: { status: 503, requestId: who },
      });
  }
}
