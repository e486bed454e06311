import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { createArrivals } from "../../../src/server/arrivals.ts";
import { type ArrivalBound, arriving } from "../../../src/server/rpc/arriving.ts";
import { settled } from "../../stages/support.ts";
import { createFakeClock } from "../../support/fake-clock.ts";

const request = { httpVersion: "2.0", method: "POST", url: "http://x/", header: new Headers(), signal: new AbortController().signal };

/** A body that is fed by hand, read within a bound. */
function scene(bound: ArrivalBound) {
  const clock = createFakeClock();
  let feeder: ReadableStreamDefaultController<Uint8Array> | undefined;
  const fed = new ReadableStream<Uint8Array>({ start: (controller) => void (feeder = controller) });
  const over = new AbortController();
  const arrivals = createArrivals(100);
  const { body } = arriving({ ...request, body: fed, signal: over.signal }, bound, { clock, arrivals });
  if (typeof body !== "object" || body === null || !(Symbol.asyncIterator in body)) throw new Error("the body is no bytes any more");
  const came: number[] = [];
  const done = (async () => {
    for await (const chunk of body) came.push(chunk.length);
    return "whole";
  })().catch((thrown: unknown) => thrown);
  return {
    clock,
    arrivals,
    came,
    done,
    feed: async (bytes: number) => {
      feeder?.enqueue(new Uint8Array(bytes));
      await settled();
    },
    end: () => feeder?.close(),
    over: () => over.abort(),
    pass: async (ms: number) => {
      clock.advance(ms);
      await settled();
    },
  };
}

const draining = expect.objectContaining({ code: Code.Unavailable, rawMessage: "this replica is going away" });
const late = expect.objectContaining({ code: Code.DeadlineExceeded, rawMessage: "the request did not arrive within 60 s" });

describe("a request", () => {
  test("that arrives in time is passed on as it comes, and leaves no timer", async () => {
    const { feed, pass, end, came, done, clock } = scene({ ms: 60_000, of: "all" });
    await feed(1);
    await pass(59_000);
    await feed(2);
    end();
    expect([await done, came, clock.pending()]).toEqual(["whole", [1, 2], 0]);
  });

  test("that drips ends when its time is over, however often a byte came", async () => {
    const { feed, pass, came, done, clock } = scene({ ms: 60_000, of: "all" });
    for (let i = 0; i < 6; i++) {
      await feed(1);
      await pass(10_000);
    }
    expect([await done, came.length, clock.pending()]).toEqual([late, 6, 0]);
    expect(await done).toBeInstanceOf(ConnectError);
  });

  test("that may last ends after a silence, and not for lasting", async () => {
    const { feed, pass, came, done } = scene({ ms: 60_000, of: "silence" });
    await settled();
    for (let i = 0; i < 6; i++) {
      await pass(59_999);
      await feed(1);
    }
    expect(came).toHaveLength(6);
    await pass(60_000);
    expect(await done).toEqual(late);
  });

  test("that is over leaves no timer, also where nobody read it to its end", async () => {
    const { feed, over, clock } = scene({ ms: 60_000, of: "silence" });
    await feed(1);
    expect(clock.pending()).toBe(1);
    over();
    expect(clock.pending()).toBe(0);
    await feed(1);
    expect(clock.pending()).toBe(0);
  });

  for (const of of ["all", "silence"] as const) {
    test(`that is on its way when the process goes away is told so (${of})`, async () => {
      const { feed, done, arrivals, clock } = scene({ ms: 60_000, of });
      await feed(1);
      expect(arrivals.open).toBe(1);
      arrivals.cut();
      expect([await done, arrivals.open, clock.pending()]).toEqual([draining, 0, 0]);
    });
  }

  test("that begins after that is told so, too", async () => {
    const { arrivals } = scene({ ms: 60_000, of: "all" });
    arrivals.cut();
    const told = Promise.withResolvers<unknown>();
    arrivals.begin(told.resolve);
    expect(await told.promise).toMatchObject({ failure: "DRAINING" });
  });

  test("of which there is no room for more bytes is told so", async () => {
    const { feed, done, arrivals, came } = scene({ ms: 60_000, of: "all" });
    await feed(60);
    const other = arrivals.begin();
    expect(other.take(41)).toMatchObject({ failure: "SHED" });
    expect(other.take(40)).toBeUndefined();
    await feed(1);
    expect([await done, came]).toEqual([expect.objectContaining({ code: Code.Unavailable }), [60]]);
    other.end();
    other.end();
    expect(arrivals.begin().take(100)).toBeUndefined();
    expect(arrivals.begin().take(1)).toMatchObject({ failure: "SHED" });
  });

  test("that was parsed before is left as it is", () => {
    for (const body of [null, "text", 7, { a: 1 }, [1]]) {
      const parsed = { ...request, body };
      expect(arriving(parsed, { ms: 1, of: "all" }, { clock: createFakeClock(), arrivals: createArrivals(1) })).toBe(parsed);
    }
  });
});
