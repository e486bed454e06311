import { expect, test } from "vitest";

import type { Call } from "../../src/core/call.ts";
import { ChatError } from "../../src/core/error.ts";
import type { Lease } from "../../src/core/limiter.ts";
import { type CallLimiter, createCallLimiter } from "../../src/stores/call-limiter.ts";

const call = {} as Call;

function lease(limiter: CallLimiter): Lease {
  const answer = limiter.acquire(call);
  if (answer instanceof ChatError) throw answer;
  return answer;
}

test("runs as many calls as allowed and sheds the next, with a wait", () => {
  const limiter = createCallLimiter({ callsMax: 2 });
  const first = lease(limiter);
  lease(limiter);
  expect(limiter.acquire(call)).toMatchObject({ failure: "SHED", retryAfterMs: 1000 });
  first.release();
  expect(limiter.running()).toBe(1);
  expect(limiter.acquire(call)).not.toBeInstanceOf(ChatError);
});

test("allows 10,000 calls where nobody says otherwise", () => {
  const limiter = createCallLimiter();
  for (let each = 0; each < 10_000; each += 1) lease(limiter);
  expect(limiter.acquire(call)).toBeInstanceOf(ChatError);
});

test("a lease given back twice frees one place", () => {
  const limiter = createCallLimiter();
  const first = lease(limiter);
  lease(limiter);
  first.release();
  first.release();
  expect(limiter.running()).toBe(1);
});

test("a draining process refuses new calls and lets running ones end", async () => {
  const limiter = createCallLimiter();
  const running = lease(limiter);
  limiter.drain();
  expect(limiter.acquire(call)).toMatchObject({ failure: "DRAINING" });
  let isIdle = false;
  const idle = Promise.all([limiter.idle(), limiter.idle()]).then(() => (isIdle = true));
  await new Promise(setImmediate);
  expect(isIdle).toBe(false);
  running.release();
  await idle;
  expect(limiter.running()).toBe(0);
});

test("a process without calls is idle at once", async () => {
  await expect(createCallLimiter().idle()).resolves.toBeUndefined();
});
