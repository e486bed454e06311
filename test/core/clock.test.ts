import { DurationSchema, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { durationFromMs, msFromDuration, sleep, timestampFromMs } from "../../src/core/clock.ts";
import { createFakeClock } from "../support/fake-clock.ts";

describe("durations", () => {
  for (const { ms, seconds, nanos } of [
    { ms: 0, seconds: 0n, nanos: 0 },
    { ms: 1500, seconds: 1n, nanos: 500_000_000 },
    { ms: 0.25, seconds: 0n, nanos: 250_000 },
    { ms: 999.9999999, seconds: 1n, nanos: 0 },
    { ms: -1500, seconds: -1n, nanos: -500_000_000 },
    { ms: -0.00000001, seconds: 0n, nanos: 0 },
  ]) {
    test(`${ms} ms are ${seconds} s and ${nanos} ns`, () => {
      expect(durationFromMs(ms)).toEqual({ $typeName: "google.protobuf.Duration", seconds, nanos });
    });
  }

  test("any fraction survives the binary format and comes back to the nanosecond", () => {
    fc.assert(
      fc.property(fc.double({ min: -1e9, max: 1e9, noNaN: true }), (ms) => {
        const sent = fromBinary(DurationSchema, toBinary(DurationSchema, durationFromMs(ms)));
        expect(msFromDuration(sent)).toBeCloseTo(ms, 5);
      }),
    );
  });
});

test("a timestamp of a fractional time is a valid message of whole milliseconds", () => {
  const timestamp = timestampFromMs(1_767_225_600_123.4);
  expect(fromBinary(TimestampSchema, toBinary(TimestampSchema, timestamp))).toEqual(timestamp);
  expect(timestamp).toMatchObject({ seconds: 1_767_225_600n, nanos: 123_000_000 });
});

describe("sleep", () => {
  test("resolves when its time has come", async () => {
    const clock = createFakeClock();
    const slept = sleep(clock, 100, new AbortController().signal);
    clock.advance(100);
    await expect(slept).resolves.toBeUndefined();
  });

  test("rejects with the signal's reason and leaves no timer", async () => {
    const clock = createFakeClock();
    const controller = new AbortController();
    const slept = sleep(clock, 100, controller.signal);
    const reason = new Error("left");
    controller.abort(reason);
    await expect(slept).rejects.toBe(reason);
    expect(clock.pending()).toBe(0);
  });

  test("does not begin under a signal that has aborted", async () => {
    const clock = createFakeClock();
    await expect(sleep(clock, 100, AbortSignal.abort("gone"))).rejects.toBe("gone");
    expect(clock.pending()).toBe(0);
  });
});
