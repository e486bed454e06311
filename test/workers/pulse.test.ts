import { expect, test } from "vitest";
import { watchPulse } from "../../src/workers/pulse.ts";
import { createFakeClock } from "../support/fake-clock.ts";

const settled = () => new Promise(setImmediate);

async function watched(
  answers: readonly boolean[],
): Promise<{ readonly asked: number; readonly isSilent: boolean; readonly pending: number }> {
  const clock = createFakeClock();
  let asked = 0;
  let isSilent = false;
  const stop = watchPulse({
    clock,
    ask: () => Promise.resolve(answers[asked++] ?? true),
    onSilent: () => {
      isSilent = true;
    },
  });
  for (let at = 0; at < 6; at++) {
    clock.advance(10_000);
    await settled();
  }
  stop();
  return { asked, isSilent, pending: clock.pending() };
}

test("who answers is asked every ten seconds, until nobody asks any more", async () => {
  expect(await watched([])).toEqual({ asked: 6, isSilent: false, pending: 0 });
});

test("who is silent once is asked again, and who is silent twice in a row is given up", async () => {
  expect(await watched([true, false, true, false, true])).toMatchObject({ asked: 6, isSilent: false });
  expect(await watched([true, false, false])).toEqual({ asked: 3, isSilent: true, pending: 0 });
});
