import { getEventListeners } from "node:events";

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import type { KeyId } from "../../src/core/call.ts";
import type { Insistence, SlotRequest } from "../../src/core/health.ts";
import { createSlots } from "../../src/stores/slots.ts";
import { targetOf } from "../stages/support.ts";
import { createFakeClock } from "../support/fake-clock.ts";

/** What a call asks for that goes to a provider's model `m`, or to a target. */
function at(where: string, insist?: Insistence): SlotRequest {
  return { target: targetOf(where.includes("/") ? where : `${where}/m`), insist };
}

const patient = new AbortController().signal;

function setUp(max: number) {
  const clock = createFakeClock();
  const slots = createSlots(clock);
  slots.declare("openai", max);
  const fill = () => {
    const releases: (() => void)[] = [];
    for (let release = slots.take(at("openai")); release !== undefined; release = slots.take(at("openai"))) releases.push(release);
    return releases;
  };
  return { clock, slots, fill };
}

test("gives as many slots as declared and no more", () => {
  const { slots, fill } = setUp(3);
  expect(fill()).toHaveLength(3);
  expect(slots.inUse("openai")).toBe(3);
  expect(slots.take(at("openai"))).toBeUndefined();
});

test("gives 256 where nothing was declared, to each provider of its own", () => {
  const { slots } = setUp(1);
  for (let each = 0; each < 256; each += 1) expect(slots.take(at("groq"))).toBeDefined();
  expect(slots.take(at("groq"))).toBeUndefined();
  expect(slots.take(at("openai"))).toBeDefined();
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
    await expect(slots.wait(at("openai"), 100, patient)).resolves.toBeDefined();
    expect(clock.pending()).toBe(0);
  });

  test("leaves nothing behind on the signal once it is over", async () => {
    const { slots, fill } = setUp(1);
    const [release] = fill();
    const { signal } = new AbortController();
    const waited = slots.wait(at("openai"), 100, signal);
    expect(getEventListeners(signal, "abort")).toHaveLength(1);
    release?.();
    await waited;
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });

  test("is over at once without patience", async () => {
    const { slots, fill } = setUp(1);
    fill();
    await expect(slots.wait(at("openai"), 0, patient)).resolves.toBeUndefined();
  });

  test("is first come, first served, and newcomers do not overtake", async () => {
    const { slots, fill } = setUp(1);
    const [release] = fill();
    const order: string[] = [];
    const first = slots.wait(at("openai"), 100, patient).then((next) => {
      order.push("first");
      return next;
    });
    const second = slots.wait(at("openai"), 100, patient).then(() => order.push("second"));
    release?.();
    expect(slots.take(at("openai"))).toBeUndefined();
    (await first)?.();
    await second;
    expect(order).toEqual(["first", "second"]);
    expect(slots.inUse("openai")).toBe(1);
  });

  test("ends without a slot when its time has passed", async () => {
    const { clock, slots, fill } = setUp(1);
    const [release] = fill();
    const waited = slots.wait(at("openai"), 100, patient);
    clock.advance(100);
    await expect(waited).resolves.toBeUndefined();
    release?.();
    expect(slots.inUse("openai")).toBe(0);
  });

  test("ends with the signal's reason, and takes no slot with it", async () => {
    const { clock, slots, fill } = setUp(1);
    const [release] = fill();
    const controller = new AbortController();
    const waited = slots.wait(at("openai"), 100, controller.signal);
    controller.abort("left");
    await expect(waited).rejects.toBe("left");
    expect(clock.pending()).toBe(0);
    release?.();
    expect(slots.inUse("openai")).toBe(0);
  });

  test("does not begin under a signal that has aborted, even where a slot is free", async () => {
    const { slots } = setUp(1);
    await expect(slots.wait(at("openai"), 100, AbortSignal.abort("gone"))).rejects.toBe("gone");
    expect(slots.inUse("openai")).toBe(0);
  });

  test("is refused to the thousand and first", async () => {
    const { clock, slots, fill } = setUp(1);
    fill();
    const waiting = Array.from({ length: 1_000 }, () => slots.wait(at("openai"), 100, patient));
    await expect(slots.wait(at("openai"), 100, patient)).resolves.toBeUndefined();
    clock.advance(100);
    expect(await Promise.all(waiting)).toEqual(Array.from({ length: 1_000 }, () => undefined));
  });

  test("is over for those a larger maximum makes room for", async () => {
    const { slots, fill } = setUp(1);
    fill();
    const waiting = [slots.wait(at("openai"), 100, patient), slots.wait(at("openai"), 100, patient)];
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
  expect(slots.take(at("openai"))).toBeUndefined();
  releases[2]?.();
  expect(slots.take(at("openai"))).toBeDefined();
});

describe("a target's own limit", () => {
  /** Targets of one provider of 4 slots, with limits that a test may change. */
  function limited(limits: Record<string, number>) {
    const clock = createFakeClock();
    const slots = createSlots(clock, (target, insist) => (insist === "lone" ? Infinity : (limits[target] ?? Infinity)));
    slots.declare("p", 4);
    return { clock, slots };
  }

  test("holds within its provider's, and leaves the rest to others", () => {
    const { slots } = limited({ "p/a": 1 });
    expect(slots.take(at("p/a"))).toBeDefined();
    expect(slots.take(at("p/a"))).toBeUndefined();
    for (let each = 0; each < 3; each += 1) expect(slots.take(at("p/b"))).toBeDefined();
    expect(slots.take(at("p/b"))).toBeUndefined();
  });

  test("is asked for each call, because it depends on what the call insists on", () => {
    const { slots } = limited({ "p/a": 1 });
    slots.take(at("p/a"));
    expect(slots.take(at("p/a"))).toBeUndefined();
    expect(slots.take(at("p/a", "lone"))).toBeDefined();
  });

  test("who waits for a full target lets those pass who wait for another", async () => {
    const { slots } = limited({ "p/a": 1 });
    slots.take(at("p/a"));
    const [release] = [1, 2, 3].map(() => slots.take(at("p/b")));
    const order: string[] = [];
    void slots.wait(at("p/a"), 100, patient).then(() => order.push("a"));
    const other = slots.wait(at("p/b"), 100, patient).then(() => order.push("b"));
    release?.();
    await other;
    expect(order).toEqual(["b"]);
  });

  test("of those whose target has room the longest waiting comes first, whatever its target", async () => {
    const { slots } = limited({});
    const [release] = [1, 2, 3, 4].map(() => slots.take(at("p/c")));
    const order: string[] = [];
    const waits = ["p/b", "p/a", "p/b"].map((id, i) => slots.wait(at(id), 100, patient).then((next) => (order.push(`${id}${i}`), next)));
    release?.();
    (await waits[0])?.();
    (await waits[1])?.();
    await waits[2];
    expect(order).toEqual(["p/b0", "p/a1", "p/b2"]);
  });

  test("that has grown meanwhile serves those who wait before a newcomer", async () => {
    const limits = { "p/a": 1 };
    const { slots } = limited(limits);
    slots.take(at("p/a"));
    const waited = slots.wait(at("p/a"), 100, patient);
    limits["p/a"] = 2;
    expect(slots.take(at("p/a"))).toBeUndefined();
    await expect(waited).resolves.toBeDefined();
  });

  test("that has shrunk throws nobody out", () => {
    const limits = { "p/a": 3 };
    const { slots } = limited(limits);
    const releases = [1, 2, 3].map(() => slots.take(at("p/a")));
    limits["p/a"] = 1;
    for (const release of releases.slice(0, 2)) release?.();
    expect(slots.take(at("p/a"))).toBeUndefined();
    releases[2]?.();
    expect(slots.take(at("p/a"))).toBeDefined();
  });

  test("a thousand names that callers made up leave nothing behind but their pace", () => {
    const clock = createFakeClock();
    const slots = createSlots(clock, () => 1);
    slots.declare("p", 10);
    for (let each = 0; each < 5000; each += 1) slots.take(at(`p/${each}`))?.();
    expect(slots.inUse("p")).toBe(0);
    expect(slots.take(at("p/1"))).toBeDefined();
    expect(slots.take(at("p/1"))).toBeUndefined();
  });
});

describe("when a slot may come free", () => {
  const busy = (slots: ReturnType<typeof setUp>["slots"], clock: ReturnType<typeof setUp>["clock"], ms: number) => {
    const release = slots.take(at("openai"));
    clock.advance(ms);
    release?.();
  };

  test("is a guess before the first was given back", () => {
    const { slots, fill } = setUp(1);
    fill();
    expect(slots.waitEstimateMs(at("openai"))).toBe(1000);
  });

  test("is at once, a millisecond, where one is free", () => {
    const { slots } = setUp(1);
    expect(slots.waitEstimateMs(at("openai"))).toBe(1);
  });

  for (const { what, max, heldMs, waiting, expected } of [
    { what: "by how long slots are held", max: 1, heldMs: 500, waiting: 0, expected: 500 },
    { what: "sooner of many", max: 10, heldMs: 500, waiting: 0, expected: 50 },
    { what: "later behind others", max: 10, heldMs: 500, waiting: 3, expected: 200 },
    { what: "half a minute at most", max: 1, heldMs: 120_000, waiting: 5, expected: 30_000 },
    { what: "a millisecond at least", max: 100, heldMs: 1, waiting: 0, expected: 1 },
  ]) {
    test(`is told ${what}`, () => {
      const { clock, slots, fill } = setUp(max);
      busy(slots, clock, heldMs);
      fill();
      for (let each = 0; each < waiting; each += 1) void slots.wait(at("openai"), 100, patient);
      expect(slots.waitEstimateMs(at("openai"))).toBeCloseTo(expected, 6);
    });
  }

  test("is told by the target's pace where only the target is full", () => {
    const clock = createFakeClock();
    const slots = createSlots(clock, (target) => (target === "p/a" ? 2 : Infinity));
    slots.declare("p", 100);
    const hold = (id: string, ms: number) => {
      const release = slots.take(at(id));
      clock.advance(ms);
      release?.();
    };
    hold("p/b", 10);
    hold("p/a", 3000);
    slots.take(at("p/a"));
    expect(slots.waitEstimateMs(at("p/a"))).toBe(1);
    slots.take(at("p/a"));
    expect(slots.waitEstimateMs(at("p/a"))).toBe(1500);
    expect(slots.waitEstimateMs(at("p/b"))).toBe(1);
  });
});

/** What the property below does to slots. */
type Deed = "wait" | "take" | "release" | "abort" | "advance" | "limit" | "declare";
const deeds: Deed[] = ["wait", "wait", "take", "release", "release", "abort", "advance", "limit", "declare"];

test("under any mix of calls, targets and limits nothing is overbooked, lost, forgotten or overtaken", async () => {
  const step = fc.tuple(fc.constantFrom(...deeds), fc.nat(999), fc.constantFrom("p/a", "p/b", "p/c"));
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
      const clock = createFakeClock();
      const limits: Record<string, number> = { "p/a": 1, "p/b": 2, "p/c": 3 };
      let max = 3;
      const slots = createSlots(clock, (target) => limits[target] ?? 0);
      slots.declare("p", max);
      // The model: who holds, and who waits, in order of arrival.
      const held: { readonly id: string; readonly release: () => void }[] = [];
      let waiting: { readonly id: string; readonly untilMs: number; readonly leave: AbortController }[] = [];
      let settledWaits = 0;
      let waits = 0;
      const countOf = (id: string) => held.filter((each) => each.id === id).length;
      const room = (id: string) => held.length < max && countOf(id) < (limits[id] ?? 0);
      /** The longest waiting whose target has room; the model's only rule. */
      const due = () => waiting.find(({ id }) => room(id));

      for (const [deed, number, id] of steps) {
        const total = held.length;
        switch (deed) {
          case "take": {
            // Growth by time is noticed by whoever asks next, so that nobody who waited is overtaken.
            const release = slots.take(at(id));
            await new Promise(setImmediate);
            expect(release !== undefined).toBe(room(id));
            if (release !== undefined) held.push({ id, release });
            break;
          }
          case "wait": {
            const leave = new AbortController();
            const entry = { id, untilMs: clock.now() + 50, leave };
            waits += 1;
            waiting.push(entry);
            void slots
              .wait(at(id), 50, leave.signal)
              .then((release) => {
                if (release === undefined) expect(clock.now()).toBeGreaterThanOrEqual(entry.untilMs);
                else {
                  // Nobody who came before, and whose target had room, was passed over.
                  expect(due()).toBe(entry);
                  held.push({ id, release });
                }
              })
              .catch((reason: unknown) => expect(reason).toBe("left"))
              .finally(() => {
                settledWaits += 1;
                waiting = waiting.filter((each) => each !== entry);
              });
            break;
          }
          case "release":
            held.splice(number % Math.max(1, total), 1)[0]?.release();
            break;
          case "abort":
            waiting[number % Math.max(1, waiting.length)]?.leave.abort("left");
            break;
          case "advance":
            clock.advance(number % 60);
            break;
          case "limit":
            limits[id] = number % 4;
            slots.declare("p", max);
            break;
          case "declare":
            max = 1 + (number % 4);
            slots.declare("p", max);
            break;
        }
        await new Promise(setImmediate);
        expect(slots.inUse("p")).toBe(held.length);
        // Nobody waits for what is free.
        expect(due()).toBeUndefined();
      }
      clock.advance(50);
      await new Promise(setImmediate);
      expect([settledWaits, waiting]).toEqual([waits, []]);
      for (const { release } of held) release();
      expect([slots.inUse("p"), clock.pending()]).toEqual([0, 0]);
    }),
    { numRuns: 200 },
  );
});

describe("keys take turns", () => {
  const by = (key: string, where = "openai/m"): SlotRequest => ({ ...at(where), key: { id: key as KeyId } });

  /** Who waits, by name, and who was served, in order. */
  function waiting(slots: ReturnType<typeof createSlots>) {
    const served: string[] = [];
    const releases: (() => void)[] = [];
    const join = (name: string, request: SlotRequest): void =>
      void slots.wait(request, 2000, patient).then((release) => {
        served.push(release === undefined ? `${name} left` : name);
        if (release !== undefined) releases.push(release);
      });
    const next = async (): Promise<void> => {
      releases.shift()?.();
      for (let i = 0; i < 5; i++) await Promise.resolve();
    };
    return { served, releases, join, next };
  }

  test("so that a call of another key waits for one call of the flood, and not for all of it", async () => {
    const { slots, fill } = setUp(1);
    const { served, releases, join, next } = waiting(slots);
    releases.push(...fill());
    for (let i = 0; i < 5; i++) join(`a${i}`, by("a"));
    for (let i = 0; i < 2; i++) join(`b${i}`, by("b"));
    join("c0", by("c"));
    for (let i = 0; i < 9; i++) await next();
    expect(served).toEqual(["a0", "b0", "c0", "a1", "b1", "a2", "a3", "a4"]);
  });

  test("whatever target of the provider they wait for", async () => {
    const { slots, fill } = setUp(1);
    const { served, releases, join, next } = waiting(slots);
    releases.push(...fill());
    for (let i = 0; i < 3; i++) join(`a${i}`, by("a", `openai/${i}`));
    join("b0", by("b", "openai/x"));
    for (let i = 0; i < 5; i++) await next();
    expect(served).toEqual(["a0", "b0", "a1", "a2"]);
  });

  test("and where a thousand wait, the newest of the flood makes room", async () => {
    const { slots, fill } = setUp(1);
    const { served, releases, join, next } = waiting(slots);
    releases.push(...fill());
    for (let i = 0; i < 1000; i++) join(`a${i}`, by("a"));
    join("a late", by("a"));
    await next();
    expect(served).toEqual(["a late left", "a0"]);
    join("a1000", by("a"));
    join("b0", by("b"));
    await next();
    await next();
    expect(served).toEqual(["a late left", "a0", "a1000 left", "a1", "b0"]);
  });

  test("a newcomer is told to wait for its own turn only", () => {
    const { clock, slots, fill } = setUp(1);
    const [release] = fill();
    clock.advance(100);
    release?.();
    fill();
    const { join } = waiting(slots);
    for (let i = 0; i < 50; i++) join(`a${i}`, by("a"));
    expect(slots.waitEstimateMs(by("a"))).toBe(5100);
    expect(slots.waitEstimateMs(by("b"))).toBe(200);
  });
});
