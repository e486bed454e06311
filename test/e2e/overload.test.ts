/** The whole house on its own sockets, with a pressure that the test decides: who is refused, and who is served all the same. */
import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";

import { Priority } from "../../src/core/chat.ts";
import { createOverload } from "../../src/stores/overload.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { asCell } from "../fault/play.ts";
import { doorClient, doorClients, refusal, routerClient } from "./doors.ts";
import { type House, openHouse } from "./house.ts";

const keys = "[{name: batch, key: batch-key, priority: low}, {name: team, key: team-key}, {name: urgent, key: urgent-key, priority: high}]";
const config = `auth: {required: false, keys: ${keys}}
cache: {mode: all}
providers: {sim: {type: simulated, models: [m], first_token: 0, tokens_per_second: 1e9}}
`;

const ticks = createFakeClock();
const readings = { lagMs: 0, cpuMs: 0, tookMs: 250, heap: 0, memory: 0, connections: 0 };
const overload = createOverload({ clock: ticks, measure: () => readings, onChange: () => {}, onScarce: () => {} });
let house: House;

/** Five seconds of calm, and then a tick with this pressure. */
function press(heap: number): void {
  readings.heap = 0;
  ticks.advance(5000);
  readings.heap = heap;
  ticks.advance(250);
}

beforeAll(async () => {
  house = await openHouse(config, {}, { gate: overload });
});
afterAll(async () => {
  overload.stop();
  await house[Symbol.asyncDispose]();
});
afterEach(() => {
  press(0);
  expect(house.bugs).toEqual([]);
  house.forget();
});

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

describe("at 90 % a call of normal priority is refused with a wait", () => {
  test.each(doorClients)("$name", asCell("S10", "a heap that is nearly full", "all doors"), async (door) => {
    press(0.9);
    const error = await refusal(door.ask(house.url, { model: "m", headers: bearer("team-key") }));
    expect([error.status, error.word]).toEqual(door.rest ? [503, "overloaded"] : [14, "SHED"]);
    // Two levels at one second each.
    expect(error.headers.get("retry-after")).toBe("1");
    if (!door.rest) expect(error.retryMs).toBe(1000);
    expect(house.refused).toEqual([expect.objectContaining({ failure: "SHED", door: door.door })]);
    expect(house.records).toEqual([]);
  });
});

describe("who is refused depends on the key's priority", () => {
  test.each([
    { heap: 0.5, served: ["batch-key", "team-key", "urgent-key", undefined], shed: [] },
    { heap: 0.8, served: ["team-key", "urgent-key", undefined], shed: ["batch-key"] },
    { heap: 0.9, served: ["urgent-key"], shed: ["batch-key", "team-key", undefined] },
    { heap: 0.95, served: [], shed: ["batch-key", "team-key", "urgent-key", undefined] },
  ])("at $heap $shed", async ({ heap, served, shed }) => {
    press(heap);
    const door = doorClient("REST");
    const ask = (key: string | undefined) => door.ask(house.url, { model: "m", headers: key === undefined ? {} : bearer(key) });
    for (const key of served) expect((await ask(key)).text).not.toBe("");
    for (const key of shed) expect((await refusal(ask(key))).word).toBe("overloaded");
  });
});

describe("what a call asks for", () => {
  const ask = (key: string, priority: Priority) =>
    routerClient(house.url, "connect").chat(
      { model: "m", messages: [{ role: 2, text: "hello" }], routing: { priority } },
      { headers: bearer(key) },
    );

  test("may be less than its key has: it is refused as that", async () => {
    press(0.9);
    await expect(ask("urgent-key", Priority.NORMAL)).rejects.toMatchObject({ code: 14 });
    expect((await ask("urgent-key", Priority.HIGH)).choices).toHaveLength(1);
    // The body had to be read: it became a call, with a call's line.
    expect(house.records.map(({ error }) => error?.failure)).toEqual(["SHED", undefined]);
  });

  test("is never more than its key has", async () => {
    press(0.8);
    await expect(ask("batch-key", Priority.HIGH)).rejects.toMatchObject({ code: 14 });
    expect(house.records).toEqual([]);
  });
});

test("a body is not waited for where nobody would be served", async () => {
  press(0.95);
  const socket = connect(house.port, "127.0.0.1");
  socket.write("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 16000000\r\n\r\n{");
  const [head] = (await once(socket, "data")) as [Buffer];
  expect(head.toString()).toMatch(/^HTTP\/1\.1 503 [\s\S]*retry-after: 2/i);
  socket.destroy();
});

test("health, metrics, models and the admin answer at full pressure", async () => {
  press(1);
  for (const path of ["/health", "/health/live", "/health/ready", "/metrics", "/v1/models"])
    expect([path, (await fetch(house.url + path)).status]).toEqual([path, 200]);
  const admin = await fetch(`${house.url}/admin/providers`, { headers: bearer("admin") });
  expect(admin.status).toBe(200);
});

test("answers are not kept while memory is short, and those that were kept are still told", async () => {
  const ask = async (content: string) => {
    const { headers } = await doorClient("REST").ask(house.url, { model: "m", content, headers: bearer("team-key") });
    return headers.get("x-semaroute-cache");
  };
  expect([await ask("one"), await ask("one")]).toEqual(["miss", "hit"]);
  press(0.8);
  expect([await ask("one"), await ask("two"), await ask("two")]).toEqual(["hit", "miss", "miss"]);
  press(0);
  expect([await ask("two"), await ask("two")]).toEqual(["miss", "hit"]);
});

test("whoever was refused is served once the pressure has gone", async () => {
  press(1);
  const ask = () => doorClient("REST").ask(house.url, { model: "m" });
  expect((await refusal(ask())).word).toBe("overloaded");
  readings.heap = 0;
  ticks.advance(5000);
  expect((await ask()).text).not.toBe("");
});
