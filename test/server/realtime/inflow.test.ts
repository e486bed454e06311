import { expect, test } from "vitest";
import type { ChatError } from "../../../src/core/error.ts";
import { createArrivals } from "../../../src/server/arrivals.ts";
import { Inflow } from "../../../src/server/realtime/inflow.ts";
import { settled } from "../../stages/support.ts";
import { createFakeClock } from "../../support/fake-clock.ts";

function scene(bytesMax = 1_000_000) {
  const clock = createFakeClock();
  const arrivals = createArrivals(bytesMax);
  const excess: ChatError[] = [];
  const inflow = new Inflow({ clock, arrivals, onExcess: (error) => excess.push(error) });
  return { clock, arrivals, excess, inflow };
}

test("a message that comes at once is no arrival, and leaves no timer", () => {
  const { clock, arrivals, inflow } = scene();
  inflow.message();
  inflow.came(500);
  expect([arrivals.open, clock.pending()]).toEqual([0, 0]);
});

test("one that comes in pieces is an arrival until it is whole", () => {
  const { clock, arrivals, excess, inflow } = scene();
  inflow.came(100);
  inflow.came(100);
  expect([arrivals.open, clock.pending()]).toEqual([1, 1]);
  inflow.message();
  inflow.came(100);
  expect([arrivals.open, clock.pending(), excess]).toEqual([0, 0, []]);
});

test("pings and pongs between messages, and within one, count for nothing", () => {
  const { clock, arrivals, inflow } = scene();
  inflow.control(5);
  inflow.came(11);
  expect(arrivals.open).toBe(0);
  // Half of a pong, and the rest of it.
  inflow.came(3);
  inflow.control(0);
  inflow.came(3);
  expect([arrivals.open, clock.pending()]).toEqual([0, 0]);
  inflow.came(50);
  inflow.control(0);
  inflow.came(6);
  expect(arrivals.open).toBe(1);
});

test("a message that drips is given up after a minute, however often a byte came", () => {
  const { clock, excess, inflow } = scene();
  for (let i = 0; i < 7; i++) {
    inflow.came(1);
    clock.advance(10_000);
  }
  expect(excess).toMatchObject([{ failure: "INVALID_REQUEST", message: "the frame did not arrive within 60 s" }]);
});

test("one that finds no room beside all others is shed, and gives its bytes back", () => {
  const { arrivals, excess, inflow } = scene(100_000);
  inflow.came(90_000);
  expect(excess).toMatchObject([{ failure: "SHED" }]);
  inflow.end();
  const other = arrivals.begin();
  expect(other.take(60_000)).toBeUndefined();
});

test("one that is on its way when the process goes away hears of it", async () => {
  const { arrivals, excess, inflow } = scene();
  inflow.came(10);
  arrivals.cut();
  await settled();
  expect(excess).toMatchObject([{ failure: "DRAINING" }]);
});
