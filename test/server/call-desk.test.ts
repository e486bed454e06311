import { getEventListeners } from "node:events";
import { describe, expect, test } from "vitest";

import type { KeyId } from "../../src/core/call.ts";
import type { Batch } from "../../src/core/chat.ts";
import { ChatError } from "../../src/core/error.ts";
import type { ChatStream } from "../../src/core/handler.ts";
import { createCallDesk } from "../../src/server/call-desk.ts";
import { heartbeats } from "../../src/server/rpc/heartbeats.ts";
import { wishesFrom } from "../../src/server/wishes.ts";
import { callOf, createTape, rejection, said, settled, snapshotOf, streamOf } from "../stages/support.ts";
import { chatRequest } from "../support/attempt.ts";
import { createFakeClock } from "../support/fake-clock.ts";

function scene(headers: Readonly<Record<string, string>> = {}, receivedMs = 0, refusal: () => ChatError | undefined = () => undefined) {
  const clock = createFakeClock();
  clock.advance(receivedMs);
  let ids = 0;
  const snapshot = snapshotOf([]);
  const router = {
    snapshot: () => snapshot,
    chat: () => Promise.reject(new Error("nobody is called")),
    models: () => [],
    model: () => undefined,
    explain: (): never => {
      throw new Error("nobody explains");
    },
  };
  const desk = createCallDesk({ router, clock, newId: () => `id-${++ids}`, random: () => 0.5, refusal });
  const wishes = wishesFrom((name) => headers[name]);
  const open = () =>
    desk.open({ door: "grpc", key: callOf().key, request: chatRequest("hi"), streamed: true, wishes, receivedMs, id: desk.newId() });
  return { clock, desk, open, snapshot };
}

describe("a call", () => {
  test("is opened with what is known of it", () => {
    const { open, snapshot } = scene({ "x-request-id": "theirs" }, 50);
    const { call } = open();
    expect(call).toMatchObject({
      id: "id-1",
      requestId: "theirs",
      receivedMs: 50,
      deadline: 600_050,
      deadlineByCaller: false,
      seed: 4503599627370495,
    });
    expect(call.snapshot).toBe(snapshot);
    expect(open().call).toMatchObject({ id: "id-2" });
    expect(scene().open().call.requestId).toBe("id-1");
  });

  for (const [wish, deadline, byCaller, failure] of [
    [undefined, 600_000, false, "TIMEOUT"],
    ["250", 250, true, "DEADLINE_EXCEEDED"],
    ["600000", 600_000, false, "TIMEOUT"],
    ["99999999", 600_000, false, "TIMEOUT"],
  ] as const) {
    test(`that wishes for ${wish ?? "no"} ms ends after ${deadline} ms with ${failure}`, () => {
      const { open, clock } = scene(wish === undefined ? {} : { "x-semaroute-timeout-ms": wish });
      const { call } = open();
      expect(call).toMatchObject({ deadline, deadlineByCaller: byCaller });
      clock.advance(deadline - 1);
      expect(call.signal.aborted).toBe(false);
      clock.advance(1);
      expect(call.signal.reason).toMatchObject({ failure });
    });
  }

  test("that was closed has no timer left, and is not cut", () => {
    const { open, clock, desk } = scene();
    const opened = open();
    opened.close();
    expect(clock.pending()).toBe(0);
    desk.cut();
    expect(opened.call.signal.aborted).toBe(false);
  });

  test("ends when its key is revoked, and those of others go on", () => {
    const { open, desk } = scene();
    const [one, two] = [open(), open()];
    desk.cutKey("key_other" as KeyId);
    expect(one.call.signal.aborted).toBe(false);
    desk.cutKey(one.call.key.id);
    expect([one, two].map(({ call }) => call.signal.reason.failure)).toEqual(["CALLER_UNAUTHENTICATED", "CALLER_UNAUTHENTICATED"]);
    // Each collects what became of its own call.
    expect(one.call.signal.reason).not.toBe(two.call.signal.reason);
  });

  test("does not begin where its key was revoked while it arrived", () => {
    const refused = new ChatError("CALLER_UNAUTHENTICATED", "the key was revoked");
    const { open, clock } = scene({}, 0, () => refused);
    expect(open).toThrow(refused);
    expect(clock.pending()).toBe(0);
  });

  test("ends for the first reason it is given", () => {
    const { open, desk } = scene();
    const [one, two] = [open(), open()];
    const left = new ChatError("CANCELLED", "left");
    one.abort(left);
    desk.cut();
    expect(one.call.signal.reason).toBe(left);
    expect(two.call.signal.reason).toMatchObject({ failure: "DRAINING" });
  });
});

describe("heartbeats", () => {
  const read = async (beats: AsyncGenerator<ChatStream | Batch | "heartbeat", undefined>) => (await beats.next()).value;

  test("come after each silence, from before the first content on, and the rest as it came", async () => {
    const clock = createFakeClock();
    const tape = createTape<Batch>();
    const pending = Promise.withResolvers<ChatStream>();
    const beats = heartbeats(pending.promise, clock, 1000);
    for (let i = 0; i < 2; i++) {
      const next = read(beats);
      await settled();
      clock.advance(1000);
      expect(await next).toBe("heartbeat");
    }
    const stream = streamOf(tape);
    pending.resolve(stream);
    expect(await read(beats)).toBe(stream);
    const batch = [said("Hel")];
    tape.push(batch);
    expect(await read(beats)).toBe(batch);
    const next = read(beats);
    await settled();
    clock.advance(999);
    await settled();
    clock.advance(1);
    expect(await next).toBe("heartbeat");
    tape.end();
    expect(await beats.next()).toEqual({ done: true, value: undefined });
    expect(clock.pending()).toBe(0);
  });

  test("stop when the call fails, before content or after it", async () => {
    const clock = createFakeClock();
    const error = new ChatError("OVERLOADED", "busy");
    expect(await rejection(heartbeats(Promise.reject(error), clock, 1000).next())).toBe(error);
    const tape = createTape<Batch>();
    const beats = heartbeats(Promise.resolve(streamOf(tape)), clock, 1000);
    await beats.next();
    tape.fail(error);
    expect(await rejection(beats.next())).toBe(error);
    expect(clock.pending()).toBe(0);
  });

  test("stop when the reader leaves, whose leaving reaches the stream", async () => {
    const clock = createFakeClock();
    const tape = createTape<Batch>();
    const beats = heartbeats(Promise.resolve(streamOf(tape)), clock, 1000);
    await beats.next();
    tape.push([said("x")]);
    await beats.next();
    await beats.return(undefined);
    expect([tape.returns(), clock.pending()]).toEqual([1, 0]);
  });

  test("that were left before the stream was there leave it as soon as it is", async () => {
    const clock = createFakeClock();
    const tape = createTape<Batch>();
    const pending = Promise.withResolvers<ChatStream>();
    const beats = heartbeats(pending.promise, clock, 1000);
    const next = read(beats);
    await settled();
    clock.advance(1000);
    expect(await next).toBe("heartbeat");
    await beats.return(undefined);
    pending.resolve(streamOf(tape));
    await settled();
    expect([tape.returns(), clock.pending()]).toEqual([1, 0]);
  });
});

test("nobody listens to a call's signal but who was asked to", () => {
  expect(getEventListeners(scene().open().call.signal, "abort")).toEqual([]);
});
