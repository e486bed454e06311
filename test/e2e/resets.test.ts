/** Streams that are opened and reset as fast as they can be leave nothing behind: no call, no upstream, and no harm to others. */
import { afterAll, beforeAll, expect, test } from "vitest";
import * as h2 from "../support/raw-http2.ts";
import { createUpstream, type Upstream } from "../support/scripted-upstream.ts";
import { doorClient } from "./doors.ts";
import { type House, openHouse } from "./house.ts";
import { isStreamed, says } from "./scene.ts";
import { frame } from "./wire.ts";

let upstream: Upstream;
let house: House;
beforeAll(async () => {
  // Streams hang: what is left of a call can be seen.
  upstream = await createUpstream((reply, request, ordinal) => {
    if (!isStreamed(request)) return says("still here")(reply, request, ordinal);
  });
  house = await openHouse(`{health: {probe: none}, cache: {enabled: false},
    providers: {host: {type: openai_compatible, base_url: "${upstream.url}/v1", models: [m]}}}`);
});
afterAll(async () => {
  await house[Symbol.asyncDispose]();
  await upstream.close();
});

const body = frame(JSON.stringify({ model: "m", messages: [{ role: "ROLE_USER", text: "hi" }] }));
const open = (stream: number): Buffer =>
  Buffer.concat([
    h2.headers(stream, h2.post("/semaroute.v1.RouterService/StreamChat", "application/grpc+json"), h2.flag.endHeaders),
    h2.data(stream, body, h2.flag.endStream),
  ]);

async function expectNothingLeft(): Promise<void> {
  await expect.poll(() => house.gateway.running()).toBe(0);
  await expect
    .poll(async () => {
      const ends = upstream.requests
        .filter(({ body: asked }) => JSON.stringify(asked).includes('"stream":true'))
        .map(({ closed }) => closed);
      return Promise.race([
        Promise.all(ends).then((all) => all.every((end) => end === "cut")),
        new Promise((resolve) => setTimeout(resolve, 50, "open")),
      ]);
    })
    .toBe(true);
  await house.listener.quiet();
  expect(house.bugs).toEqual([]);
  expect(house.records.filter(({ error }) => error !== undefined && error.failure !== "CANCELLED")).toEqual([]);
}

test("three thousand at once: their connection ends, and others are served meanwhile", async () => {
  using raw = await h2.rawHttp2(house.port);
  const rest = doorClient("REST");
  const others: Promise<string>[] = [];
  for (let n = 0; n < 3000 && !raw.socket.closed;) {
    const batch: Buffer[] = [];
    for (let i = 0; i < 50; i++, n++) batch.push(open(2 * n + 1), h2.rstStream(2 * n + 1));
    raw.send(...batch);
    await raw.flushed();
    others.push(rest.ask(house.url, { model: "m" }).then(({ text }) => text));
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(h2.goaway(await raw.until(h2.isGoaway)).code).toBe(h2.errorCode.internal);
  await raw.closed;
  expect(new Set(await Promise.all(others))).toEqual(new Set(["still here"]));
  await expectNothingLeft();
});

test("one of fifty: only that one ends; and when the connection is cut, all of them do", async () => {
  const before = upstream.requests.length;
  const streams = Array.from({ length: 50 }, (_, i) => 2 * i + 1);
  using raw = await h2.rawHttp2(house.port);
  raw.send(...streams.map(open));
  await expect.poll(() => upstream.requests.length - before).toBe(50);
  raw.send(h2.rstStream(7));
  await expect.poll(() => house.gateway.running()).toBe(49);
  raw.socket.resetAndDestroy();
  await expectNothingLeft();
});
