import { describe, expect, test } from "vitest";

import type { Call, Source } from "../../src/core/call.ts";
import { type Batch, CacheStatus, usageOf } from "../../src/core/chat.ts";
import { ChatError } from "../../src/core/error.ts";
import type { CallRecord } from "../../src/core/telemetry.ts";
import { meter } from "../../src/stages/meter.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import {
  callOf,
  completed,
  createTape,
  finished,
  readAll,
  recordOf,
  rejection,
  said,
  started,
  streamOf,
  targetOf,
  textIn,
  whole,
} from "./support.ts";

/** A metered call; `told` says what the observers heard. */
function scene(source: Partial<Source> = {}, more: Partial<Call> = {}) {
  const clock = createFakeClock();
  const tape = createTape<Batch>();
  const told: string[] = [];
  const records: CallRecord[] = [];
  const caller = new AbortController();
  const call = callOf(undefined, { signal: caller.signal, ...more });
  const observers = [1, 2].map((n) => ({
    began: (begun: Call) => void told.push(`began ${n} ${begun.id === call.id}`),
    ended: (record: CallRecord) => {
      told.push(`ended ${n}`);
      if (n === 1) records.push(record);
    },
  }));
  const stage = meter(observers, clock);
  const target = targetOf("up/fast-model");
  const room = stage(() => Promise.resolve(streamOf(tape, { target, ...source })));
  return { clock, tape, told, records, caller, call, room, stage, target };
}

const once = ["began 1 true", "began 2 true", "ended 1", "ended 2"];

describe("every call begins once and ends once", () => {
  test("refused or failed before content", async () => {
    const { stage, call, told, records, clock } = scene();
    const error = new ChatError("OVERLOADED", "busy");
    error.attempts = [recordOf({ error })];
    clock.advance(12);
    expect(await rejection(stage(() => Promise.reject(error))(call))).toBe(error);
    expect(told).toEqual(once);
    expect(records).toEqual([
      { call, endMs: 12, error, attempts: error.attempts, firstContentMs: undefined, source: undefined, usage: undefined },
    ]);
  });

  test("broken by what nobody foresaw, which is INTERNAL", async () => {
    const { stage, call, told, records } = scene();
    expect(await rejection(stage(() => Promise.reject(new TypeError("oops")))(call))).toMatchObject({ failure: "INTERNAL" });
    expect([told, records[0]?.error?.failure]).toEqual([once, "INTERNAL"]);
  });

  test("read to its end: not with the last event but when the door asks for more", async () => {
    const attempts = [recordOf()];
    const { room, call, tape, told, records, clock } = scene({ attempts });
    clock.advance(5);
    const { batches } = await room(call);
    const usage = usageOf(3, 4);
    tape.push([said("Hello")], [finished(), completed(usage)]);
    tape.end();
    await batches.next();
    await batches.next();
    expect(told).toEqual(once.slice(0, 2));
    clock.advance(10);
    expect(await batches.next()).toEqual({ done: true, value: undefined });
    expect(await batches.next()).toEqual({ done: true, value: undefined });
    await batches.return?.();
    expect(told).toEqual(once);
    expect(records).toMatchObject([{ endMs: 15, firstContentMs: 5, error: undefined, usage, attempts, source: { attempts } }]);
  });

  test("broken in the middle", async () => {
    const { room, call, tape, told, records } = scene();
    const { batches } = await room(call);
    const error = new ChatError("STREAM_INTERRUPTED", "broke");
    tape.push([said("Hel")]);
    tape.fail(error);
    expect(await readAll(batches)).toMatchObject({ error });
    await batches.return?.();
    expect([told, records[0]?.error]).toEqual([once, error]);
  });

  test("left by the reader, whose leaving reaches the stream", async () => {
    const { room, call, tape, told, records } = scene();
    const { batches } = await room(call);
    tape.push([said("Hel")]);
    await batches.next();
    await batches.return?.();
    await batches.return?.();
    expect(told).toEqual(once);
    expect(records[0]?.error).toMatchObject({ failure: "CANCELLED" });
    expect(tape.returns()).toBe(2);
  });

  for (const failure of ["CANCELLED", "DEADLINE_EXCEEDED", "TIMEOUT", "DRAINING"] as const) {
    test(`ended by ${failure}, whichever way the reader hears of it`, async () => {
      for (const way of ["return", "throw"] as const) {
        const { room, call, tape, told, records, caller } = scene();
        const { batches } = await room(call);
        const reason = new ChatError(failure, "over");
        caller.abort(reason);
        if (way === "return") await batches.return?.();
        else {
          tape.fail(reason);
          await readAll(batches);
        }
        expect([told, records[0]?.error]).toEqual([once, reason]);
      }
    });
  }

  test("without a usage of its own its usage is that of the attempt that won", async () => {
    const usage = usageOf(8, 1);
    const { room, call, tape, records } = scene({ attempts: [recordOf({ won: false, usage: usageOf(1, 1) }), recordOf({ usage })] });
    const { batches } = await room(call);
    tape.fail(new ChatError("STREAM_INTERRUPTED", "broke"));
    await readAll(batches);
    expect(records[0]?.usage).toBe(usage);
  });
});

describe("the answer is signed", () => {
  const signed = (call: Call) => ({ id: call.id, model: "fast-model", createTime: { seconds: 1_767_225_600n, nanos: 0 } });

  test("with our id, time and name of the model, where the upstream told its own", async () => {
    const { room, call, tape, clock } = scene();
    clock.advance(999);
    const { batches } = await room(call);
    const plain: Batch = [said("lo")];
    const events = [started, said("Hel")];
    tape.push(events, plain, [finished(), completed(usageOf(1, 1))]);
    tape.end();
    const read = (await readAll(batches)).batches;
    expect(read[0]).toMatchObject([{ case: "started", value: signed(call) }, { case: "partDelta" }]);
    expect(events[0]).toMatchObject({ value: { id: "up-1", model: "upstream" } });
    expect(read[1]).toBe(plain);
    expect(textIn(read)).toBe("Hello");
  });

  test("when it is whole, too", async () => {
    const { room, call, tape } = scene({}, { streamed: false });
    const { batches } = await room(call);
    const event = whole("Hello", usageOf(1, 2));
    tape.push([event]);
    tape.end();
    const { batches: read } = await readAll(batches);
    expect(read).toMatchObject([[{ case: "whole", value: { ...signed(call), usage: { outputTokens: 2 } } }]]);
    expect(event).toMatchObject({ value: { id: "", model: "upstream" } });
  });

  test("and becomes events where a stream was asked for and the upstream answered whole", async () => {
    const { room, call, tape, records } = scene({}, { streamed: true });
    const { batches } = await room(call);
    tape.push([whole("Hello", usageOf(1, 2))]);
    tape.end();
    const { batches: read } = await readAll(batches);
    expect(read.map((batch) => batch.map((event) => event.case))).toEqual([
      ["started", "partStarted", "partDelta", "partEnded", "choiceEnded", "completed"],
    ]);
    expect(textIn(read)).toBe("Hello");
    expect(read[0]?.[0]).toMatchObject({ value: signed(call) });
    expect(read[0]?.at(-1)).toMatchObject({ value: { usage: { outputTokens: 2 } } });
    expect(records[0]?.usage).toMatchObject({ outputTokens: 2 });
  });
});

describe("a hit costs nothing, whatever its answer once did", () => {
  const cost = { ...usageOf(10, 20), costPicoUsd: 77n };
  for (const [what, batch] of [
    ["a stream", [said("x"), finished(), completed(cost)]],
    ["a whole answer", [whole("x", cost)]],
  ] as const) {
    for (const cache of ["HIT", "MISS", "BYPASS"] as const) {
      test(`${what}, ${cache}`, async () => {
        const { room, call, tape, records } = scene({ cache: CacheStatus[cache] }, { streamed: false });
        const { batches } = await room(call);
        tape.push(batch);
        tape.end();
        const last = (await readAll(batches)).batches.flat().at(-1);
        const costPicoUsd = cache === "HIT" ? 0n : 77n;
        expect(last).toMatchObject({ value: { usage: { inputTokens: 10, outputTokens: 20, costPicoUsd } } });
        expect(records[0]?.usage).toMatchObject({ inputTokens: 10, costPicoUsd });
        expect(cost.costPicoUsd).toBe(77n);
      });
    }
  }
});
