import { expect, test } from "vitest";
import { createPulse } from "../../../src/server/realtime/pulse.ts";
import { createFakeClock } from "../../support/fake-clock.ts";

function scene(heartbeatMs = 15_000) {
  const clock = createFakeClock();
  const state = { sentMs: 0, unread: false, pings: 0, dead: 0 };
  const pulse = createPulse({
    clock,
    heartbeatMs: () => heartbeatMs,
    sentMs: () => state.sentMs,
    isUnread: () => state.unread,
    ping: () => {
      state.pings++;
      state.sentMs = clock.now();
    },
    onDead: () => state.dead++,
  });
  return { clock, state, pulse };
}

test("a socket is pinged after each silence, and lives as long as anything comes back", () => {
  const { clock, state, pulse } = scene();
  for (let i = 1; i <= 10; i++) {
    clock.advance(15_000);
    expect(state.pings).toBe(i);
    pulse.heard();
  }
  expect(state.dead).toBe(0);
});

test("whoever sends is not pinged", () => {
  const { clock, state } = scene();
  for (let i = 0; i < 20; i++) {
    clock.advance(10_000);
    state.sentMs = clock.now();
  }
  expect(state.pings).toBe(0);
});

test("a peer that answers nothing is dead after two more heartbeats, and its timer with it", () => {
  const { clock, state } = scene();
  clock.advance(15_000 + 29_999);
  expect([state.pings, state.dead]).toEqual([1, 0]);
  clock.advance(1);
  expect([state.dead, clock.pending()]).toEqual([1, 0]);
});

test("a short heartbeat still leaves a second for the answer", () => {
  const { clock, state } = scene(50);
  clock.advance(50 + 999);
  expect([state.pings, state.dead]).toEqual([1, 0]);
  clock.advance(1);
  expect(state.dead).toBe(1);
});

test("who has yet to read what came before is neither pinged nor dead", () => {
  const { clock, state } = scene();
  clock.advance(15_000);
  state.unread = true;
  clock.advance(300_000);
  expect([state.pings, state.dead]).toEqual([1, 0]);
  state.unread = false;
  clock.advance(15_000);
  expect(state.pings).toBe(2);
});

test("once stopped it leaves no timer", () => {
  const { clock, pulse } = scene();
  pulse.stop();
  expect(clock.pending()).toBe(0);
});
