/** Rows 6 and 11 of the conformance checklist (wire protocols, 10): every recorded stream, however it comes, and what it counts. */
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ChatEvent, Usage } from "../../src/core/chat.ts";
import { decodedBody } from "../../src/providers/wire/content-encoding.ts";
import { type Fixture, fixtures, folded, framed, kinds, meaning } from "./fixtures.ts";
import { openScene, type Scene } from "./scene.ts";
import { tokens, vendors } from "./vendors.ts";

/** Ids that a decoder makes up differ from one to the next; all else must not. */
const shown = ({ events, end }: { events: readonly ChatEvent[]; end: string }): string =>
  JSON.stringify([events, end], (_key, value: unknown) => (typeof value === "bigint" ? String(value) : value));

const isText = ({ vendor }: Fixture): boolean => vendor.dialect.framing !== "eventstream";
const all = fixtures.map((fixture) => ({ ...fixture, is: shown(meaning(fixture.vendor.dialect, [fixture.bytes])) }));
const texts = all.filter(isText);

describe("10.6 a stream in pieces", () => {
  test.each(all)("10.6 $name ends well unless it is a recording of something else", ({ name, vendor, bytes }) => {
    const { end } = meaning(vendor.dialect, [bytes]);
    if (/error|timeout/.test(name)) expect(end).not.toBe("good");
    else expect(end).toBe("good");
  });

  test.each(all)("10.6 $name, cut at each byte", ({ vendor, bytes, is }) => {
    const whole = framed(vendor.dialect, [bytes]);
    for (let at = 1; at < bytes.length; at++) {
      const cut = framed(vendor.dialect, [bytes.subarray(0, at), bytes.subarray(at)]);
      if (cut !== whole) expect(cut, `cut at ${at}`).toBe(whole);
    }
    expect(shown(meaning(vendor.dialect, bytesOf(bytes)))).toBe(is);
  });

  test.each(texts)("10.6 $name, with CRLF and with comments, a byte at a time", ({ vendor, bytes, is }) => {
    const text = bytes.toString();
    for (const other of [
      text.replaceAll("\n", "\r\n"),
      text.replaceAll("\n", "\r"),
      `: hello\n\n${text.replaceAll("\n\n", "\n\n: still here\n\n")}`,
    ])
      expect(shown(meaning(vendor.dialect, bytesOf(Buffer.from(other))))).toBe(is);
  });

  test.each(all)("10.6 $name, in gzip a byte at a time", async ({ vendor, bytes, is }) => {
    const zipped = [...bytesOf(gzipSync(bytes))];
    const body = {
      read: () => Promise.resolve(zipped.length === 0 ? undefined : zipped.splice(0, 1).map((byte) => Buffer.from(byte))),
      all: () => expect.fail(),
      close() {},
    };
    const plain = decodedBody({ status: 200, headers: { "content-encoding": "gzip" }, body }, "a test");
    const pieces: Buffer[] = [];
    for (let read = await plain.read(); read !== undefined; read = await plain.read()) pieces.push(...read);
    expect(shown(meaning(vendor.dialect, pieces))).toBe(is);
  });
});

function* bytesOf(bytes: Uint8Array): Generator<Buffer> {
  for (const byte of bytes) yield Buffer.from([byte]);
}

describe("10.6 through sockets", () => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await openScene();
  });
  afterAll(() => scene[Symbol.asyncDispose]());

  test.each(vendors)("10.6 $name in gzip, though nobody asked for it", async (vendor) => {
    scene.play(async ({ begin, request }) => {
      expect(request.headers["accept-encoding"]).toBe("identity");
      const { begun, ending } = vendor.stream({ kind: "text", text: "Bonjour" });
      const sse = begin({ "content-encoding": "gzip" });
      const zipped = gzipSync(Buffer.concat([...begun, ...ending]));
      for (const at of [0, 1, 2]) sse.raw(zipped.subarray(at * 20, at === 2 ? undefined : (at + 1) * 20));
      sse.end();
    });
    const response = await fetch(`${scene.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: vendor.model, stream: true, messages: [{ role: "user", content: "hello" }] }),
    });
    expect(await response.text()).toMatch(/"content":"Bonjour"[^]*\[DONE\]\n\n$/);
  });
});

/** 6.8: totals are inclusive, and parts are parts. */
function expectIdentities(usage: Usage): void {
  const { inputTokens: input, outputTokens: output, totalTokens: total } = usage;
  expect(total).toBe(input + output);
  const { cacheReadTokens: read = 0, cacheWriteTokens: wrote = 0, reasoningTokens: reasoning = 0 } = usage;
  expect(read + wrote).toBeLessThanOrEqual(input);
  expect(reasoning).toBeLessThanOrEqual(output);
}

describe("10.11 what an answer counts", () => {
  const good = all.filter(({ vendor, bytes }) => meaning(vendor.dialect, [bytes]).end === "good");
  const usageOf = ({ vendor, bytes }: Fixture): Usage | undefined => folded(meaning(vendor.dialect, [bytes]).events).usage;

  test.each(good)("10.11 $name: the total is its parts, and no part is more", (fixture) => {
    const usage = usageOf(fixture);
    if (usage === undefined) return;
    expectIdentities(usage);
  });

  test("10.11 and the recordings have cached and reasoning tokens to count", () => {
    const usages = good.map(usageOf).filter((usage) => usage !== undefined);
    expect(usages.length).toBeGreaterThan(30);
    expect(usages.filter(({ cacheReadTokens = 0 }) => cacheReadTokens > 0).length).toBeGreaterThan(3);
    expect(usages.filter(({ reasoningTokens = 0 }) => reasoningTokens > 0).length).toBeGreaterThan(3);
  });

  test.each(vendors.flatMap((vendor) => kinds.map((said) => ({ vendor, said, name: vendor.name, kind: said.kind }))))(
    "10.11 $name, $kind: whole and streamed count the same",
    ({ vendor, said }) => {
      const whole = vendor.dialect.decodeResponse(JSON.parse(vendor.whole(said)), {}).usage;
      const { begun, ending } = vendor.stream(said);
      const streamed = folded(meaning(vendor.dialect, [...begun, ...ending]).events).usage;
      for (const usage of [whole, streamed])
        expect(usage).toMatchObject({ inputTokens: tokens.input, outputTokens: tokens.output, totalTokens: tokens.input + tokens.output });
    },
  );
});
