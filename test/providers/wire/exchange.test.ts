import { getEventListeners } from "node:events";
import type { Dispatcher } from "undici";
import { describe, expect, test } from "vitest";

import { ChatError } from "../../../src/core/error.ts";
import type { WireAnswer } from "../../../src/providers/wire/body.ts";
import { Exchange } from "../../../src/providers/wire/exchange.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { rejection } from "../../stages/support.ts";

/** undici's side of an exchange, played by the test. */
function scene({ idleMs = 1000, began = true } = {}) {
  const clock = createFakeClock();
  const caller = new AbortController();
  const calls: string[] = [];
  let paused = false;
  const controller: Dispatcher.DispatchController = {
    get paused() {
      return paused;
    },
    aborted: false,
    reason: null,
    rawHeaders: null,
    rawTrailers: null,
    abort: (reason) => calls.push(`abort ${reason instanceof ChatError ? reason.failure : reason.name}`),
    pause: () => void (calls.push("pause"), (paused = true)),
    resume: () => void (calls.push("resume"), (paused = false)),
  };
  let exchange: Exchange | undefined;
  const head = new Promise<WireAnswer>((resolve, reject) => {
    exchange = new Exchange(
      { clock, who: "provider up", signal: caller.signal, idleMs, again: () => calls.push("again") },
      { resolve, reject },
    );
  });
  if (exchange === undefined) throw new Error("promises run their executor at once");
  head.catch(() => undefined);
  if (began) exchange.onRequestStart(controller);
  return { clock, caller, calls, controller, exchange, head, linked: () => getEventListeners(caller.signal, "abort").length };
}

/** The same after the head of the answer. */
function answering(options: { readonly idleMs?: number } = {}) {
  const all = scene(options);
  all.exchange.onResponseStart(all.controller, 200, { "content-type": "x" });
  const data = (text: string | number): void =>
    all.exchange.onResponseData(all.controller, typeof text === "number" ? Buffer.alloc(text) : Buffer.from(text));
  return { ...all, data };
}

const textOf = (chunks: readonly Buffer[] | undefined): string | undefined => chunks && Buffer.concat(chunks).toString();
const gone = new ChatError("CANCELLED", "the caller left");

describe("the head", () => {
  test("settles the answer; informational ones before it do not", async () => {
    const { exchange, controller, head, clock } = scene();
    exchange.onResponseStart(controller, 103, {});
    expect(clock.pending()).toBe(0);
    exchange.onResponseStart(controller, 503, { "retry-after": "1" });
    expect(await head).toMatchObject({ status: 503, headers: { "retry-after": "1" } });
  });

  test("that never comes is the transport's failure", async () => {
    const { exchange, controller, head, linked } = scene();
    exchange.onResponseError(controller, Object.assign(new Error("x"), { code: "ECONNRESET" }));
    expect(await rejection(head)).toMatchObject({ failure: "UPSTREAM_UNAVAILABLE" });
    expect(linked()).toBe(0);
  });
});

describe("the body", () => {
  test("is read in what arrived since the last read", async () => {
    const { exchange, data, linked, clock } = answering();
    data("a");
    data("b");
    expect(textOf(await exchange.read())).toBe("ab");
    const waiting = exchange.read();
    data("c");
    expect(textOf(await waiting)).toBe("c");
    data("d");
    exchange.onResponseEnd();
    expect(textOf(await exchange.read())).toBe("d");
    expect(await exchange.read()).toBeUndefined();
    expect(await exchange.read()).toBeUndefined();
    expect([linked(), clock.pending()]).toEqual([0, 0]);
  });

  test("makes the upstream wait above 256 KiB, until it is read", async () => {
    const { exchange, data, calls } = answering();
    data(256 * 1024);
    expect(calls).toEqual([]);
    data(1);
    expect(calls).toEqual(["pause"]);
    expect(Buffer.concat((await exchange.read()) ?? [])).toHaveLength(256 * 1024 + 1);
    expect(calls).toEqual(["pause", "resume"]);
    const waiting = exchange.read();
    data(1024 * 1024);
    await waiting;
    expect(calls).toEqual(["pause", "resume"]);
  });

  test("gives what had arrived before it broke, then why", async () => {
    const { exchange, data, controller } = answering();
    data("a");
    exchange.onResponseError(controller, Object.assign(new Error("x"), { code: "UND_ERR_SOCKET" }));
    expect(textOf(await exchange.read())).toBe("a");
    expect(await rejection(exchange.read())).toMatchObject({ failure: "UPSTREAM_UNAVAILABLE" });
  });

  test("can be had whole, up to a bound", async () => {
    for (const [bound, good] of [
      [4, true],
      [3, false],
    ] as const) {
      const { exchange, data, calls } = answering();
      const all = exchange.all(bound);
      data("ab");
      await Promise.resolve();
      data("cd");
      exchange.onResponseEnd();
      if (good) expect((await all).toString()).toBe("abcd");
      else expect(await rejection(all)).toMatchObject({ failure: "UPSTREAM_PROTOCOL" });
      expect(calls).toEqual([]);
    }
  });

  test("that is too large is closed before its end", async () => {
    const { exchange, data, calls } = answering();
    const all = exchange.all(3);
    data("abcd");
    expect(await rejection(all)).toMatchObject({
      failure: "UPSTREAM_PROTOCOL",
      message: "the answer of provider up is larger than 3 bytes",
    });
    expect(calls).toEqual(["abort CANCELLED"]);
  });

  test("can be closed at any time, once", async () => {
    const { exchange, calls, linked, clock } = answering();
    const waiting = rejection(exchange.read());
    exchange.close();
    exchange.close();
    expect(await waiting).toMatchObject({ failure: "CANCELLED" });
    expect([calls, linked(), clock.pending()]).toEqual([["abort CANCELLED"], 0, 0]);
  });

  test("that was read to its end is not closed: its socket serves again", async () => {
    const { exchange, calls, caller } = answering();
    exchange.onResponseEnd();
    await exchange.read();
    exchange.close();
    caller.abort(gone);
    expect(calls).toEqual([]);
  });
});

describe("an abort", () => {
  test("before the request has left drops it when its turn comes", async () => {
    const { exchange, caller, head, calls, controller } = scene({ began: false });
    caller.abort(gone);
    expect(await rejection(head)).toBe(gone);
    exchange.onRequestStart(controller);
    expect(calls).toEqual(["abort CANCELLED"]);
  });

  test("during the wait for the head closes the socket", async () => {
    const { caller, head, calls, linked } = scene();
    caller.abort(gone);
    expect(await rejection(head)).toBe(gone);
    expect([calls, linked()]).toEqual([["abort CANCELLED"], 0]);
  });

  test("in the body closes the socket and ends the read", async () => {
    const { caller, exchange, calls, clock } = answering();
    const waiting = rejection(exchange.read());
    caller.abort(gone);
    expect(await waiting).toBe(gone);
    expect(await rejection(exchange.read())).toBe(gone);
    expect([calls, clock.pending()]).toEqual([["abort CANCELLED"], 0]);
  });

  test("keeps its reason whatever undici makes of it", async () => {
    const { caller, exchange, controller } = answering();
    caller.abort(gone);
    exchange.onResponseError(controller, new Error("aborted"));
    expect(await rejection(exchange.read())).toBe(gone);
  });

  test("for a foreign reason is CANCELLED", async () => {
    const { caller, head } = scene();
    caller.abort(new Error("whatever"));
    expect(await rejection(head)).toMatchObject({ failure: "CANCELLED", cause: { message: "whatever" } });
  });
});

describe("silence", () => {
  test("of the upstream longer than allowed is TIMEOUT, and closes the socket", async () => {
    const { exchange, clock, calls, linked } = answering();
    const waiting = rejection(exchange.read());
    clock.advance(999);
    expect(calls).toEqual([]);
    clock.advance(1);
    expect(await waiting).toMatchObject({ failure: "TIMEOUT", message: "provider up sent nothing for 1000 ms" });
    expect([calls, clock.pending(), linked()]).toEqual([["abort TIMEOUT"], 0, 0]);
  });

  test("counts from the last byte", async () => {
    const { exchange, clock, calls, data } = answering();
    for (let i = 0; i < 5; i++) {
      clock.advance(900);
      data(".");
      await exchange.read();
    }
    void exchange.read().catch(() => undefined);
    clock.advance(999);
    expect(calls).toEqual([]);
    clock.advance(1);
    expect(calls).toEqual(["abort TIMEOUT"]);
  });

  test("before the head is not its business", () => {
    const { clock, calls } = scene();
    clock.advance(1_000_000);
    expect(calls).toEqual([]);
  });

  test("while a slow reader leaves bytes waiting is the reader's", async () => {
    const { exchange, clock, calls, data } = answering();
    data("a");
    clock.advance(10_000);
    expect(calls).toEqual([]);
    expect(textOf(await exchange.read())).toBe("a");
  });

  test("of an upstream that was made to wait counts from when it may go on", async () => {
    const { exchange, clock, calls, data } = answering();
    data(300 * 1024);
    clock.advance(1999);
    await exchange.read();
    void exchange.read().catch(() => undefined);
    clock.advance(999);
    expect(calls).toEqual(["pause", "resume"]);
    clock.advance(1);
    expect(calls).toEqual(["pause", "resume", "abort TIMEOUT"]);
  });
});
