import { describe, expect, test } from "vitest";

import { Priority } from "../../src/core/chat.ts";
import { createOverload, type LoadChange, type Overload } from "../../src/stores/overload.ts";
import { createFakeClock } from "../support/fake-clock.ts";

const { LOW, NORMAL, HIGH, UNSPECIFIED } = Priority;

/** How many of so many calls at once are refused, while a hundred run. */
function refusedOf(overload: Overload, priority: Priority, calls: number): number {
  return Array.from({ length: calls }, () => overload.refusal(priority, 100)).filter(Boolean).length;
}

/** A monitor of what the test says. */
function scene() {
  const clock = createFakeClock();
  const now = { lagMs: 0, cpuMs: 250, tookMs: 250, heap: 0, memory: 0, connections: 0 };
  const changes: LoadChange[] = [];
  let scarce = 0;
  const overload = createOverload({ clock, measure: () => now, onChange: (change) => changes.push(change), onScarce: () => void scarce++ });
  /** What it says from the next tick on. */
  const reads = (readings: Partial<typeof now>): void => {
    Object.assign(now, readings);
    clock.advance(250);
  };
  /** How many of a hundred calls are refused. */
  const refused = (priority: Priority): number => refusedOf(overload, priority, 100);
  /** A loop that is so late in every tick until it counts. */
  const late = (lagMs: number): void => {
    clock.advance(10_000);
    for (let ticks = 0; ticks < 6; ticks++) reads({ lagMs });
  };
  return { clock, overload, changes, reads, late, refused, scarce: () => scarce };
}

describe("under pressure", () => {
  test.for([
    { heap: 0.5, low: 0, normal: 0, high: 0 },
    { heap: 0.8, low: 100, normal: 0, high: 0 },
    { heap: 0.9, low: 100, normal: 100, high: 0 },
    { heap: 0.95, low: 100, normal: 100, high: 100 },
  ])("of $heap, $low % of LOW, $normal % of NORMAL and $high % of HIGH are refused", ({ heap, low, normal, high }) => {
    const { reads, refused, overload } = scene();
    reads({ heap });
    expect([refused(LOW), refused(NORMAL), refused(UNSPECIFIED), refused(HIGH)]).toEqual([low, normal, normal, high]);
    expect([LOW, NORMAL, HIGH].map((each) => overload.refused(each))).toEqual([low, 2 * normal, high]);
    expect(overload.isSparing()).toBe(low > 0);
  });

  test("the answer is a SHED that says what is short, and when to come again", () => {
    const { reads, overload } = scene();
    reads({ memory: 0.97 });
    expect(overload.refusal(HIGH, 100)).toMatchObject({
      failure: "SHED",
      message: "this process is overloaded: its memory is almost full",
      retryAfterMs: 1000,
    });
    expect(overload.refusal(LOW, 100)).toMatchObject({ retryAfterMs: 3000 });
  });

  test("a loop that was late for the tick itself was late", () => {
    const clock = createFakeClock();
    let sleptMs = 0;
    const late = createOverload({
      // A fake clock is never late by itself.
      clock: { ...clock, now: () => clock.now() + sleptMs },
      measure: () => ({ lagMs: 0, cpuMs: 2000, tookMs: 2250, heap: 0, memory: 0, connections: 0 }),
      onChange: () => {},
      onScarce: () => {},
    });
    clock.advance(10_000);
    for (let ticks = 0; ticks < 2; ticks++) {
      sleptMs += 2000;
      clock.advance(250);
    }
    expect(refusedOf(late, HIGH, 100)).toBe(100 - 32);
  });
});

describe("a late loop", () => {
  test("refuses nobody in the first ten seconds of a process", () => {
    const { reads, refused, clock } = scene();
    reads({ lagMs: 5000 });
    clock.advance(9500);
    expect(refused(LOW)).toBe(0);
    // The ticks of 10 s to 11 s.
    clock.advance(1250);
    expect(refused(LOW)).toBe(0);
    clock.advance(250);
    expect(refused(LOW)).toBe(100);
  });

  test("refuses nobody where others have the core: at 20 % of it and 2 s late, every call of every priority is served", () => {
    const { late, reads, refused, overload, changes } = scene();
    reads({ cpuMs: 450, tookMs: 2250 });
    late(2000);
    late(2000);
    expect([LOW, NORMAL, HIGH].map(refused)).toEqual([0, 0, 0]);
    expect(overload.pressures().event_loop).toBeLessThan(0.8);
    expect([overload.isSparing(), changes]).toEqual([false, []]);
  });
});

describe("a few calls at a time", () => {
  test("are served however late the loop is", () => {
    const { late, overload } = scene();
    late(1000);
    // Thirty-two calls admitted in this second: from here on it is about those that run.
    expect(refusedOf(overload, LOW, 33)).toBe(1);
    expect([overload.refusal(LOW, 15), overload.earlyRefusal(LOW, 15)]).toEqual([undefined, undefined]);
    expect([overload.refusal(LOW, 16)?.failure, overload.earlyRefusal(LOW, 16)?.failure]).toEqual(["SHED", "SHED"]);
  });

  test("are those that were admitted in a second, too, however many long ones run", () => {
    const { late, overload, clock } = scene();
    late(1000);
    for (let seconds = 0; seconds < 10; seconds++) {
      expect([overload.earlyRefusal(LOW, 1000), refusedOf(overload, LOW, 32)]).toEqual([undefined, 0]);
      expect(overload.earlyRefusal(LOW, 1000)?.failure).toBe("SHED");
      clock.advance(750);
      expect(refusedOf(overload, HIGH, 10)).toBe(10);
      clock.advance(250);
    }
  });

  test("are refused where it is memory that is short", () => {
    for (const resource of ["heap", "memory"]) {
      const { reads, overload } = scene();
      reads({ [resource]: 0.99 });
      expect(overload.refusal(HIGH, 0)?.failure).toBe("SHED");
    }
  });
});

describe("a crowd that comes in one turn of the loop", () => {
  /** A monitor of a loop whose turn has taken so long. */
  function crowd(spentMs: number) {
    const clock = createFakeClock();
    const now = { lagMs: 0, cpuMs: 250, tookMs: 250, heap: 0, memory: 0, connections: 0 };
    const overload = createOverload({
      clock,
      measure: () => now,
      turn: { spentMs: () => spentMs },
      onChange: () => {},
      onScarce: () => {},
    });
    const late = (): void => {
      clock.advance(10_000);
      now.lagMs = 300;
      clock.advance(1500);
      now.lagMs = 0;
      clock.advance(1000);
    };
    return { clock, overload, late };
  }

  test("is served while nobody was refused before it", () => {
    expect(refusedOf(crowd(5000).overload, LOW, 100)).toBe(0);
  });

  test.for([
    { spentMs: 49, refused: [0, 0, 0] },
    { spentMs: 50, refused: [68, 0, 0] },
    { spentMs: 100, refused: [68, 100, 0] },
    { spentMs: 200, refused: [68, 100, 100] },
  ])("is served by priority once the process is overloaded: $spentMs ms into the turn $refused", ({ spentMs, refused }) => {
    const { overload, late } = crowd(spentMs);
    late();
    expect([LOW, NORMAL, HIGH].map((each) => refusedOf(overload, each, 100))).toEqual(refused);
  });

  test("keeps the process alert for as long as it does not end, and 10 s more", () => {
    const { overload, late, clock } = crowd(200);
    late();
    for (let seconds = 0; seconds < 60; seconds++) {
      expect(refusedOf(overload, NORMAL, 100)).toBe(68);
      clock.advance(1000);
    }
    clock.advance(9000);
    expect(overload.earlyRefusal(NORMAL, 100)).toBeUndefined();
    expect(refusedOf(overload, NORMAL, 100)).toBe(68);
    clock.advance(10_250);
    expect(refusedOf(overload, NORMAL, 100)).toBe(0);
  });
});

describe("when the pressure is gone", () => {
  test("calls come back by priority and a few at a time", () => {
    const { reads, refused } = scene();
    reads({ heap: 0.95 });
    const way = Array.from({ length: 12 }, () => {
      reads({ heap: 0 });
      return [refused(HIGH), refused(NORMAL), refused(LOW)];
    });
    expect(way.map(([high]) => high)).toEqual([75, 50, 25, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    expect(way.map(([, normal]) => normal)).toEqual([100, 100, 100, 100, 75, 50, 25, 0, 0, 0, 0, 0]);
    expect(way.map(([, , low]) => low)).toEqual([100, 100, 100, 100, 100, 100, 100, 100, 75, 50, 25, 0]);
  });

  test("a refusal before the body is read is a certain one only", () => {
    const { reads, overload } = scene();
    reads({ heap: 0.9 });
    expect(overload.earlyRefusal(NORMAL, 100)).toMatchObject({ failure: "SHED" });
    expect(overload.earlyRefusal(HIGH, 100)).toBeUndefined();
    reads({ heap: 0 });
    expect(overload.earlyRefusal(NORMAL, 100)).toBeUndefined();
    expect(overload.earlyRefusal(LOW, 100)).toBeDefined();
    expect(overload.refused(NORMAL)).toBe(1);
  });
});

test("each change of level is told once, with what caused it", () => {
  const { reads, changes, clock } = scene();
  reads({ memory: 0.92 });
  clock.advance(1000);
  reads({ memory: 0.1 });
  clock.advance(5000);
  expect(changes.map(({ level, resource, pressures }) => [level, resource, pressures.memory])).toEqual([
    [2, "memory", 0.92],
    [1, "memory", 0.1],
    [0, "memory", 0.1],
  ]);
});

test("idle connections are given up while memory or connections are short, and for a late loop they are kept", () => {
  const { reads, late, scarce, refused } = scene();
  reads({ connections: 0.89 });
  late(5000);
  expect([refused(HIGH), scarce()]).toEqual([100 - 32, 0]);
  reads({ connections: 0.9 });
  reads({ heap: 0.95 });
  expect(scarce()).toBe(2);
});

test("nothing is measured after it was stopped", () => {
  const { overload, clock } = scene();
  expect(clock.pending()).toBe(1);
  overload.stop();
  expect(clock.pending()).toBe(0);
});
