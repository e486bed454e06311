import { describe, expect, test } from "vitest";

import { Priority } from "../../src/core/chat.ts";
import { ChatError } from "../../src/core/error.ts";
import type { Lease } from "../../src/core/limiter.ts";
import { type CallLimiter, createCallLimiter } from "../../src/stores/call-limiter.ts";
import { callOf } from "../stages/support.ts";

const call = callOf();

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

describe("a gate", () => {
  const no = new ChatError("SHED", "overloaded", { retryAfterMs: 1000 });

  test("is asked by what the call counts as and how many run, and its no is the answer", () => {
    const asked: unknown[] = [];
    const gate = { earlyRefusal: () => undefined, isSparing: () => false, refusal: (...of: unknown[]) => (asked.push(of), no) };
    const limiter = createCallLimiter({ gate });
    expect(limiter.acquire(call)).toBe(no);
    expect(asked).toEqual([[Priority.NORMAL, 0]]);
    expect(limiter.running()).toBe(0);
  });

  test("is not asked once the process drains: that is the truer reason", () => {
    const gate = { earlyRefusal: () => undefined, isSparing: () => false, refusal: () => no };
    const limiter = createCallLimiter({ gate });
    limiter.drain();
    expect(limiter.acquire(call)).toMatchObject({ failure: "DRAINING" });
  });
});
