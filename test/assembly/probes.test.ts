import { expect, test } from "vitest";

import { type ProberOptions, startProber } from "../../src/assembly/probes.ts";
import { ChatError } from "../../src/core/error.ts";
import type { Provider } from "../../src/core/provider.ts";
import { settled } from "../stages/support.ts";
import { createFakeClock } from "../support/fake-clock.ts";

type Probe = (signal: AbortSignal) => Promise<readonly string[] | undefined>;

function providerOf(name: string, probe?: Probe): Provider {
  const chat = (): never => {
    throw new Error("nobody is called");
  };
  return { name, chat, ...(probe !== undefined && { probing: { probe } }) };
}

/** A prober every 30 s; `results` says what it told. */
function scene(providers: ProberOptions["providers"]) {
  const clock = createFakeClock();
  const results: unknown[] = [];
  const prober = startProber({
    clock,
    intervalMs: 30_000,
    timeoutMs: 5000,
    providers,
    onResult: (name, error, models) => {
      if (name === "cursed") throw bug;
      results.push([name, error?.failure, models]);
    },
    onBug: (thrown) => results.push(thrown),
  });
  return { clock, results, prober };
}

const bug = new Error("a bug of ours");

const hangs: Probe = (signal) => new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

test("everyone who can be asked is asked at once, and each outcome is told", async () => {
  const { results, prober } = scene(() => [
    providerOf("good", () => Promise.resolve(["a", "b"])),
    providerOf("bad", () => Promise.reject(new ChatError("UPSTREAM_AUTH", "no"))),
    providerOf("odd", () => Promise.reject(new TypeError("oops"))),
    providerOf("alive", () => Promise.resolve(undefined)),
    providerOf("silent"),
  ]);
  await settled();
  expect(results).toHaveLength(4);
  expect(results).toEqual(
    expect.arrayContaining([
      ["good", undefined, ["a", "b"]],
      ["alive", undefined, undefined],
      ["bad", "UPSTREAM_AUTH", undefined],
      ["odd", "INTERNAL", undefined],
    ]),
  );
  prober.stop();
});

test("they are asked again at the interval, whoever they are by then", async () => {
  let providers = [providerOf("a", () => Promise.resolve([]))];
  const { clock, results, prober } = scene(() => providers);
  await settled();
  providers = [providerOf("b", () => Promise.resolve([]))];
  clock.advance(29_999);
  await settled();
  expect(results).toHaveLength(1);
  clock.advance(1);
  await settled();
  expect(results).toEqual([
    ["a", undefined, []],
    ["b", undefined, []],
  ]);
  prober.stop();
});

test("one who does not answer in time has failed, and its probe is aborted", async () => {
  const { clock, results, prober } = scene(() => [providerOf("slow", hangs)]);
  await settled();
  clock.advance(4999);
  await settled();
  expect(results).toEqual([]);
  clock.advance(1);
  await settled();
  expect(results).toEqual([["slow", "TIMEOUT", undefined]]);
  prober.stop();
});

test("a round that is still on is not overtaken, and the interval counts from its end", async () => {
  let asked = 0;
  const { clock, prober } = scene(() => [providerOf("slow", (signal) => (asked++, hangs(signal)))]);
  await settled();
  clock.advance(5000);
  await settled();
  clock.advance(29_999);
  await settled();
  expect(asked).toBe(1);
  clock.advance(1);
  await settled();
  expect(asked).toBe(2);
  prober.stop();
});

test("after the stop nothing is told, nothing is asked, and no timer is left once the running probe has ended", async () => {
  const { clock, results, prober } = scene(() => [providerOf("slow", hangs)]);
  await settled();
  prober.stop();
  clock.advance(5000);
  await settled();
  expect([results, clock.pending()]).toEqual([[], 0]);
  const idle = scene(() => [providerOf("a", () => Promise.resolve([]))]);
  await settled();
  idle.prober.stop();
  expect(idle.clock.pending()).toBe(0);
});

test("a round can be asked for", async () => {
  const { results, prober } = scene(() => [providerOf("a", () => Promise.resolve([]))]);
  await settled();
  await prober.round();
  expect(results).toHaveLength(2);
  prober.stop();
});

test("a bug about one of them stops neither the others nor the rounds to come", async () => {
  const odd: Probe = () => {
    throw new TypeError("Invalid URL");
  };
  const good: Probe = () => Promise.resolve([]);
  const all = [providerOf("odd", odd), providerOf("cursed", good), providerOf("good", good)];
  let known = true;
  const { clock, results, prober } = scene(() => {
    if (known) return all;
    throw bug;
  });
  await settled();
  const first = results.splice(0);
  expect(first).toHaveLength(3);
  expect(first).toEqual(expect.arrayContaining([["odd", "INTERNAL", undefined], bug, ["good", undefined, []]]));
  known = false;
  clock.advance(30_000);
  await settled();
  expect(results.splice(0)).toEqual([bug]);
  known = true;
  clock.advance(30_000);
  await settled();
  expect(results).toHaveLength(3);
  prober.stop();
});
