import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { expect, test } from "vitest";

import { systemClock } from "../../src/stores/system-clock.ts";

/** Timers that keep the process alive. */
const holding = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;

test("calls back, also where the wait is negative", async () => {
  await new Promise<void>((resolve) => systemClock.after(-5, resolve));
});

test("waits for a time no timer can hold instead of firing at once", async () => {
  let fired = false;
  const cancel = systemClock.after(2 ** 40, () => {
    fired = true;
  });
  // Set later, due at once: had the first been due, it would have fired before.
  await new Promise<void>((resolve) => systemClock.after(2, resolve));
  cancel();
  expect(fired).toBe(false);
});

test("does not call back once cancelled", async () => {
  let fired = false;
  systemClock.after(0, () => {
    fired = true;
  })();
  await new Promise<void>((resolve) => systemClock.after(2, resolve));
  expect(fired).toBe(false);
});

test("does not run backwards", () => {
  const before = systemClock.now();
  expect(systemClock.now()).toBeGreaterThanOrEqual(before);
  expect(systemClock.wall()).toBeGreaterThan(Date.UTC(2025, 0, 1));
});

test("a call's timer holds the process until it is cancelled", () => {
  const before = holding();
  const cancel = systemClock.after(60_000, () => {});
  expect(holding()).toBe(before + 1);
  cancel();
  expect(holding()).toBe(before);
});

/** Does nothing at all for so long, the event loop included. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** Both ends of a connection. */
async function connected(): Promise<{ readonly far: Socket; readonly near: Socket } & AsyncDisposable> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const near = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const [far] = (await once(server, "connection")) as [Socket];
  if (near.connecting) await once(near, "connect");
  return {
    far,
    near,
    async [Symbol.asyncDispose]() {
      near.destroy();
      far.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

test("a timer that is late because we were does not outrun what has already come in", async () => {
  await using ends = await connected();
  const won = new Promise<string>((resolve) => {
    const cancel = systemClock.after(30, () => resolve("the timer"));
    ends.near.once("data", () => {
      cancel();
      resolve("the answer");
    });
  });
  // Written at once to the kernel, where it lies in the other end's socket while nobody looks.
  ends.far.write("here");
  block(150);
  expect(await won).toBe("the answer");
});

test("a late timer is believed where nothing came in", async () => {
  await using ends = await connected();
  const won = new Promise<string>((resolve) => {
    systemClock.after(30, () => resolve("the timer"));
    ends.near.once("data", () => resolve("the answer"));
  });
  block(150);
  expect(await won).toBe("the timer");
});

test("a late timer can still be cancelled while the sockets are looked at", async () => {
  let fired = false;
  const cancel = systemClock.after(10, () => {
    fired = true;
  });
  // Due before it and therefore called before it; its own turn comes first, too.
  systemClock.after(1, cancel);
  block(60);
  await new Promise<void>((resolve) => systemClock.after(20, resolve));
  expect(fired).toBe(false);
});
