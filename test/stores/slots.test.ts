import { getEventListeners } from "node:events";

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { createSlots } from "../../src/stores/slots.ts";
import { createFakeClock } from "../support/fake-clock.ts";

const patient = new AbortController().signal;

function setUp(max: number) {
  const clock = createFakeClock();
  const slots = createSlots(clock);
  slots.declare("openai", max);
  const fill = () => {
    const releases: (() => void)[] = [];
    for (let release = slots.take("openai"); release !== undefined; release = slots.take("openai")) releases.push(release);
    return releases;
  };
  return { clock, slots, fill };
}

test("gives as many slots as declared and no more", () => {
  const { slots, fill } = setUp(3);
  expect(fill()).toHaveLength(3);
  expect(slots.inUse("openai")).toBe(3);
  expect(slots.take("openai")).toBeUndefined();
});

test("gives 256 where nothing was declared, to each provider of its own", () => {
  const { slots } = setUp(1);
  for (let each = 0; each < 256; each += 1) expect(slots.take("groq")).toBeDefined();
  expect(slots.take("groq")).toBeUndefined();
  expect(slots.take("openai")).toBeDefined();
});

test("a slot released twice is free once", () => {
  const { slots, fill } = setUp(2);
  const [first] = fill();
  first?.();
  first?.();
  expect(slots.inUse("openai")).toBe(1);
});

describe("waiting", () => {
  test("is not needed where a slot is free", async () => {
    const { clock, slots } = setUp(1);
    await expect(slots.wait("openai", 100, patient)).resolves.toBeDefined();
    expect(clock.pending()).toBe(0);
  });

  test("leaves nothing behind on the signal once it is over", async () => {
    const { slots, fill } = setUp(1);
    const [release] = fill();
    const { signal } = new AbortController();
    const waited = slots.wait("openai", 100, signal);
    expect(getEventListeners(signal, "abort")).toHaveLength(1);
    release?.();
    await waited;
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });

  test("is over at once without patience", async () => {
    const { slots, fill } = setUp(1);
    fill();
    await expect(slots.wait("openai", 0, patient)).resolves.toBeUndefined();
  });

  test("is first come, first served, and newcomers do not overtake", async () => {
    const { slots, fill } = setUp(1);
    const [release] = fill();
    const order: string[] = [];
    const first = slots.wait("openai", 100, patient).then((next) => {
      order.push("first");
      return next;
    });
    const second = slots.wait("openai", 100, patient).then(() => order.push("second"));
    release?.();
    expect(slots.take("openai")).toBeUndefined();
    (await first)?.();
    await second;
    expect(order).toEqual(["first", "second"]);
    expect(slots.inUse("openai")).toBe(1);
  });

  test("ends without a slot when its time has passed", async () => {
    const { clock, slots, fill } = setUp(1);
    const [release] = fill();
    const waited = slots.wait("openai", 100, patient);
    clock.advance(100);
    await expect(waited).resolves.toBeUndefined();
    release?.();
    expect(slots.inUse("openai")).toBe(0);
  });

  test("ends with the signal's reason, and takes no slot with it", async () => {
    const { clock, slots, fill } = setUp(1);
    const [release] = fill();
    const controller = new AbortController();
    const waited = slots.wait("openai", 100, controller.signal);
    controller.abort("left");
    await expect(waited).rejects.toBe("left");
    expect(clock.pending()).toBe(0);
    release?.();
    expect(slots.inUse("openai")).toBe(0);
  });

  test("does not begin under a signal that has aborted, even where a slot is free", async () => {
    const { slots } = setUp(1);
    await expect(slots.wait("openai", 100, AbortSignal.abort("gone"))).rejects.toBe("gone");
    expect(slots.inUse("openai")).toBe(0);
  });

  test("is refused to the thousand and first", async () => {
    const { clock, slots, fill } = setUp(1);
    fill();
    const waiting = Array.from({ length: 1_000 }, () => slots.wait("openai", 100, patient));
    await expect(slots.wait("openai", 100, patient)).resolves.toBeUndefined();
    clock.advance(100);
    expect(await Promise.all(waiting)).toEqual(Array.from({ length: 1_000 }, () => undefined));
  });

  test("is over for those a larger maximum makes room for", async () => {
    const { slots, fill } = setUp(1);
    fill();
    const waiting = [slots.wait("openai", 100, patient), slots.wait("openai", 100, patient)];
    slots.declare("openai", 3);
    for (const each of waiting) await expect(each).resolves.toBeDefined();
    expect(slots.inUse("openai")).toBe(3);
  });
});

test("a smaller maximum throws nobody out, and holds from then on", () => {
  const { slots, fill } = setUp(3);
  const releases = fill();
  slots.declare("openai", 1);
  expect(slots.inUse("openai")).toBe(3);
  for (const release of releases.slice(0, 2)) release();
  expect(slots.take("openai")).toBeUndefined();
  releases[2]?.();
  expect(slots.take("openai")).toBeDefined();
});

test("under any mix of calls slots are never overbooked, never lost, and given in the order of waiting", async () => {
  const step = fc.tuple(fc.constantFrom("wait", "release", "abort", "advance"), fc.nat());
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const { clock, slots } = setUp(2);
      const held: (() => void)[] = [];
      const served: number[] = [];
      const controllers: AbortController[] = [];
      let waiting = 0;
      for (const [kind, number] of steps) {
        if (kind === "wait") {
          const controller = new AbortController();
          const place = controllers.push(controller);
          waiting += 1;
          void slots
            .wait("openai", 50, controller.signal)
            .then((release) => {
              if (release === undefined) return;
              served.push(place);
              held.push(release);
            })
            .catch((reason: unknown) => expect(reason).toBe("left"))
            .finally(() => (waiting -= 1));
        }
        if (kind === "release") held.splice(number % Math.max(1, held.length), 1)[0]?.();
        if (kind === "abort") controllers[number % Math.max(1, controllers.length)]?.abort("left");
        if (kind === "advance") clock.advance(number % 60);
        await new Promise(setImmediate);
        expect(slots.inUse("openai")).toBe(held.length);
        expect(held.length).toBeLessThanOrEqual(2);
        expect(waiting === 0 || held.length === 2).toBe(true);
      }
      expect(served).toEqual(served.toSorted((one, other) => one - other));
      clock.advance(50);
      for (const release of held) release();
      expect(slots.inUse("openai")).toBe(0);
      expect(clock.pending()).toBe(0);
    }),
    { numRuns: 50 },
  );
});
