import { describe, expect, test } from "vitest";
import { createBatchWriter } from "../../src/stores/batch-writer.ts";
import { createFakeClock } from "../support/fake-clock.ts";

function setUp({ retryMs, waitingMax = 1000 }: { retryMs?: number; waitingMax?: number } = {}) {
  const clock = createFakeClock();
  const taken: number[][] = [];
  const state: { broken: boolean; gate: Promise<void> | undefined; running: number } = { broken: false, gate: undefined, running: 0 };
  const lost: string[] = [];
  const found: number[] = [];
  const writer = createBatchWriter<number>({
    sizeOf: () => 1,
    clock,
    waitingMax,
    retryMs,
    async write(batch) {
      expect(++state.running).toBe(1);
      await state.gate;
      state.running--;
      if (state.broken) throw new Error("broken");
      taken.push([...batch]);
    },
    onLost: (cause) => lost.push(String(cause)),
    onFound: (count) => found.push(count),
  });
  const addAll = (from: number, to: number): void => {
    for (let each = from; each < to; each++) writer.add(each);
  };
  return { clock, writer, addAll, taken, state, lost, found };
}

const upTo = (max: number): number[] => Array.from({ length: max }, (_, number) => number);

test("what comes during a write goes together with the next one, in its order", async () => {
  const { writer, addAll, taken, state } = setUp();
  const gate = Promise.withResolvers<void>();
  state.gate = gate.promise;
  addAll(0, 1);
  await Promise.resolve();
  await Promise.resolve();
  addAll(1, 700);
  gate.resolve();
  await writer.settled();
  expect(taken.map(({ length }) => length)).toEqual([1, 500, 199]);
  expect(taken.flat()).toEqual(upTo(700));
});

describe("a batch that is not taken", () => {
  test("is lost where nobody tries again, and told of once until one is taken", async () => {
    const { writer, addAll, taken, state, lost, found } = setUp();
    state.broken = true;
    for (const each of [0, 1]) {
      addAll(each, each + 1);
      await writer.settled();
    }
    state.broken = false;
    addAll(2, 3);
    await writer.settled();
    expect({ taken, lost, found, count: writer.lost() }).toEqual({ taken: [[2]], lost: ["Error: broken"], found: [2], count: 2 });
  });

  test("waits in its place where it is tried again, and nothing overtakes it", async () => {
    const { clock, writer, addAll, taken, state, lost } = setUp({ retryMs: 100 });
    state.broken = true;
    addAll(0, 2);
    await writer.settled();
    addAll(2, 4);
    await writer.settled();
    expect(taken).toEqual([]);
    state.broken = false;
    clock.advance(100);
    await writer.settled();
    expect({ taken, lost }).toEqual({ taken: [[0, 1, 2, 3]], lost: [] });
  });

  test("is tried once more at the end, and lost then", async () => {
    const well = setUp({ retryMs: 100 });
    const ill = setUp({ retryMs: 100 });
    for (const { state, addAll, writer } of [well, ill]) {
      state.broken = true;
      addAll(0, 3);
      await writer.settled();
    }
    well.state.broken = false;
    await well.writer.close();
    await ill.writer.close();
    expect([well.taken, well.writer.lost(), ill.writer.lost()]).toEqual([[[0, 1, 2]], 0, 3]);
    expect(well.clock.pending()).toBe(0);
  });
});

test("beyond its bound the oldest are lost, and it says so", async () => {
  const { clock, writer, addAll, taken, state, lost } = setUp({ retryMs: 100, waitingMax: 1000 });
  state.broken = true;
  addAll(0, 1200);
  await writer.settled();
  expect(writer.lost()).toBe(500);
  expect(lost).toHaveLength(1);
  state.broken = false;
  clock.advance(100);
  await writer.settled();
  expect(taken.flat()).toEqual(upTo(1200).slice(500));
});
