import { array, assert, constant, double, property, record } from "fast-check";
import { describe, expect, test } from "vitest";

import { calm, type LoadSample, type LoadState, nextLoad } from "../../src/stores/pressure.ts";

/** A loop that does all it can with the whole of a core, and is late for nothing. */
const idle: LoadSample = { lagMs: 0, cpuMs: 250, tookMs: 250, heap: 0, memory: 0, connections: 0 };

/** The state after these samples, one a tick. */
function after(samples: readonly Partial<LoadSample>[], from: LoadState = calm): LoadState {
  return samples.reduce<LoadState>((state, sample) => nextLoad(state, { ...idle, ...sample }), from);
}

function times(count: number, sample: Partial<LoadSample>): Partial<LoadSample>[] {
  return Array<Partial<LoadSample>>(count).fill(sample);
}

describe("what is full decides who is refused", () => {
  test.for([
    { share: 0.79, strictness: 0 },
    { share: 0.8, strictness: 1 },
    { share: 0.89, strictness: 1 },
    { share: 0.9, strictness: 2 },
    { share: 0.94, strictness: 2 },
    { share: 0.95, strictness: 3 },
    { share: 7, strictness: 3 },
    { share: Number.NaN, strictness: 0 },
  ])("$share of the heap or the memory is strictness $strictness", ({ share, strictness }) => {
    for (const resource of ["heap", "memory"] as const) {
      const state = after([{ [resource]: share }]);
      expect(state.strictness).toBe(strictness);
      if (strictness > 0) expect(state.cause).toBe(resource);
    }
  });

  test.for([
    { lagMs: 0, pressure: 0, strictness: 0 },
    { lagMs: 150, pressure: 0.4, strictness: 0 },
    { lagMs: 299, pressure: 0.797_333_333, strictness: 0 },
    { lagMs: 300, pressure: 0.8, strictness: 1 },
    { lagMs: 400, pressure: 0.85, strictness: 1 },
    { lagMs: 500, pressure: 0.9, strictness: 2 },
    { lagMs: 750, pressure: 0.925, strictness: 2 },
    { lagMs: 1000, pressure: 0.95, strictness: 3 },
    { lagMs: 1250, pressure: 0.975, strictness: 3 },
    { lagMs: 60_000, pressure: 1, strictness: 3 },
  ])("a lag of $lagMs ms that lasts six ticks is a pressure of $pressure", ({ lagMs, pressure, strictness }) => {
    expect(after(times(5, { lagMs })).pressures.event_loop).toBe(0);
    const state = after(times(6, { lagMs }));
    expect(state.pressures.event_loop).toBeCloseTo(pressure, 9);
    expect([state.strictness, state.cause]).toEqual([strictness, "event_loop"]);
  });

  test("a stall that is over counts for nothing, however long it was", () => {
    const late = { lagMs: 3_600_000 };
    expect(after([...times(5, late), {}, ...times(5, late), {}]).strictness).toBe(0);
  });

  test("a loop that is seconds late has few ticks, and counts when two of them have passed", () => {
    const late = { lagMs: 5000, cpuMs: 5250, tookMs: 5250 };
    expect(after([late]).strictness).toBe(0);
    expect(after([late, late]).strictness).toBe(3);
  });

  test("who has just refused calls waits no longer than for one tick", () => {
    const alert = after([...times(6, { lagMs: 300 }), ...times(20, {})]);
    expect(alert.strictness).toBe(0);
    expect(after([{ lagMs: 500 }], alert).strictness).toBe(2);
    const quiet = after(times(120, {}), alert);
    expect(after([{ lagMs: 500 }], quiet).strictness).toBe(0);
  });

  test.for([
    { share: 0.1, strictness: 0 },
    { share: 0.24, strictness: 0 },
    { share: 0.25, strictness: 1 },
    { share: 0.45, strictness: 3 },
    { share: 1, strictness: 3 },
  ])("a loop that is 5 s late and had $share of its core in that time is strictness $strictness", ({ share: had, strictness }) => {
    expect(after(times(100, { lagMs: 5000, cpuMs: had * 5250, tookMs: 5250 })).strictness).toBe(strictness);
  });

  test("connections refuse nobody, however few are left", () => {
    const state = after(times(10, { connections: 1 }));
    expect([state.strictness, state.pressures.connections]).toEqual([0, 1]);
    expect(after([{ connections: 1, heap: 0.8 }])).toMatchObject({ strictness: 1, cause: "heap" });
  });
});

describe("a way back", () => {
  test("leads down a quarter of a level each tick", () => {
    let state = after([{ heap: 0.96 }]);
    const way = Array.from({ length: 12 }, () => (state = nextLoad(state, idle)).strictness);
    expect(way).toEqual([2.75, 2.5, 2.25, 2, 1.75, 1.5, 1.25, 1, 0.75, 0.5, 0.25, 0]);
  });

  test("does not begin before the pressure is clearly below the level", () => {
    const strict = after([{ heap: 0.9 }]);
    expect(after(times(100, { heap: 0.86 }), strict).strictness).toBe(2);
    expect(after(times(100, { heap: 0.84 }), strict).strictness).toBe(1);
    expect(after(times(100, { heap: 0.74 }), strict).strictness).toBe(0);
  });

  test("is cut short by a new rise", () => {
    expect(after([{ heap: 0.9 }, {}, { heap: 0.9 }]).strictness).toBe(2);
    expect(after([{ heap: 0.95 }, {}, { heap: 0.9 }]).strictness).toBe(2.75);
  });
});

const share = double({ min: 0, max: 1.5, noNaN: true });
const sample = record<LoadSample>({
  lagMs: double({ min: 0, max: 5000, noNaN: true }),
  cpuMs: double({ min: 0, max: 250, noNaN: true }),
  tookMs: constant(250),
  heap: share,
  memory: share,
  connections: share,
});
const history = array(sample, { maxLength: 40 });

describe("whatever was measured,", () => {
  test("strictness is from 0 to 3, never below what the pressure calls for, and falls by at most a quarter", () => {
    assert(
      property(history, sample, (before, now) => {
        const from = after(before);
        const state = nextLoad(from, now);
        const pressure = Math.max(state.pressures.event_loop, state.pressures.heap, state.pressures.memory);
        const called = [0.8, 0.9, 0.95].filter((level) => pressure >= level).length;
        expect(state.strictness).toBeGreaterThanOrEqual(Math.max(called, from.strictness - 0.25));
        expect(state.strictness).toBeLessThanOrEqual(Math.max(called, from.strictness));
        expect(state.strictness).toBeLessThanOrEqual(3);
        if (called > 0 && called === state.strictness) expect(state.pressures[state.cause]).toBe(pressure);
      }),
    );
  });

  test("more of anything never serves more calls", () => {
    assert(
      property(history, sample, sample, (before, a, b) => {
        const less = {
          ...a,
          lagMs: Math.min(a.lagMs, b.lagMs),
          cpuMs: Math.min(a.cpuMs, b.cpuMs),
          heap: Math.min(a.heap, b.heap),
          memory: Math.min(a.memory, b.memory),
        };
        const more = {
          ...a,
          lagMs: Math.max(a.lagMs, b.lagMs),
          cpuMs: Math.max(a.cpuMs, b.cpuMs),
          heap: Math.max(a.heap, b.heap),
          memory: Math.max(a.memory, b.memory),
        };
        const from = after(before);
        expect(nextLoad(from, more).strictness).toBeGreaterThanOrEqual(nextLoad(from, less).strictness);
      }),
    );
  });

  test("a loop that is late because others have its core refuses nobody", () => {
    assert(
      property(
        array(record({ lagMs: double({ min: 0, max: 5000, noNaN: true }), cpuMs: double({ min: 0, max: 60, noNaN: true }) })),
        (ticks) => {
          expect(after(ticks).strictness).toBe(0);
        },
      ),
    );
  });

  test("everybody is served again within 5 s of calm", () => {
    assert(
      property(history, (before) => {
        expect(after(times(20, {}), after(before)).strictness).toBe(0);
      }),
    );
  });
});
