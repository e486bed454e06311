/** Rows 7 to 9 of the conformance checklist (wire protocols, 10): answers that break off, callers who leave, and who is asked then. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createGate, type Gate } from "../support/scripted-upstream.ts";
import { type Asked, openScene, pairOf, type Scene } from "./scene.ts";
import { type Said, vendors } from "./vendors.ts";

const hello: Said = { kind: "text", text: "Bonjour" };
const contents: readonly Said[] = [
  hello,
  { kind: "reasoning", text: "Hm." },
  { kind: "calls", calls: [{ id: "call_1", name: "f", arguments: '{"a":1}' }] },
];

let scene: Scene;
beforeAll(async () => {
  scene = await openScene();
});
beforeEach(() => scene.house.forget());
afterAll(() => scene[Symbol.asyncDispose]());

const ask = (model: string, stream: boolean, signal?: AbortSignal): Promise<Response> =>
  fetch(`${scene.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      model,
      stream,
      messages: [{ role: "user", content: "hello" }],
      tools: [{ type: "function", function: { name: "f", parameters: { type: "object", properties: {} } } }],
    }),
    ...(signal !== undefined && { signal }),
  });

/** Status, the error's code, and whether the answer looks finished. */
async function told(response: Response): Promise<{ status: number; code: string | undefined; finished: boolean; body: string }> {
  const body = await response.text();
  const code = /"code":"(\w+)"/.exec(body)?.[1];
  return { status: response.status, code, finished: /\[DONE\]|"finish_reason":"/.test(body), body };
}

/** What two sockets of this machine hold at the most, and more than what we would. */
const kernelBytes = 32e6;
const page = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>";
const html = ({ reply }: Asked): void => reply.sse({ "content-type": "text/html" }).raw(page).end();

describe.each(vendors)("10.7 an answer of $name that is none", ({ model }) => {
  test.each([
    {
      what: "an error in the place of an answer",
      play: ({ reply, vendor }: Asked) => reply.json(vendor.error),
      codes: /upstream_(?:unavailable|overloaded|invalid_response)/,
    },
    { what: "a web page", play: html, codes: /upstream_(?:unavailable|invalid_response)/ },
    {
      what: "an empty body",
      play: ({ reply }: Asked) => reply.sse({ "content-type": "application/json" }).end(),
      codes: /upstream_(?:unavailable|invalid_response)/,
    },
  ])("10.7 $what is an error, whole and streamed", async ({ play, codes }) => {
    scene.play(play);
    for (const stream of [false, true]) {
      const { status, code, finished } = await told(await ask(model, stream));
      expect([status >= 500, finished]).toEqual([true, false]);
      expect(code).toMatch(codes);
    }
  });
});

describe.each(vendors)("10.7 a stream of $name that ends too early", (vendor) => {
  const { begun, ending } = vendor.stream(hello);
  const last = ending.at(-1) ?? Buffer.alloc(0);
  test.each([
    { what: "before its finish", bytes: begun },
    { what: "in the middle of its last event", bytes: [...begun, ...ending.slice(0, -1), last.subarray(0, last.length >> 1)] },
    { what: "by an error behind content", bytes: [...begun, vendor.errorEvent] },
  ])("10.7 $what never looks finished", async ({ what, bytes }) => {
    // What OpenAI's language says with its finish is all it has to say: only the mark of the end is missing.
    if (vendor.name === "openai-chat" && what.startsWith("in the")) bytes = [...begun, (ending[0] ?? last).subarray(0, 20)];
    // Amazon's usage comes behind its own end.
    if (vendor.name === "bedrock" && what.startsWith("in the")) bytes = [...begun, (ending[0] ?? last).subarray(0, 20)];
    const shown: Gate = createGate();
    scene.play(async ({ begin }) => {
      const sse = begin();
      for (const each of bytes.slice(0, begun.length)) sse.raw(each);
      await shown.opened;
      for (const each of bytes.slice(begun.length)) sse.raw(each);
      sse.end();
    });
    const response = await ask(vendor.model, true);
    shown.open();
    const { status, finished, body } = await told(response);
    expect([status, finished]).toEqual([200, false]);
    expect(body).toContain("Bonjour");
    expect(body).toMatch(/data: \{"error":\{[^\n]*\n\n$/);
  });
});

describe.each(vendors)("10.8 $name and callers", (vendor) => {
  test("10.8 one who leaves ends the upstream call within 250 ms", async () => {
    scene.play(({ begin, vendor: { stream } }) => {
      const sse = begin();
      for (const bytes of stream(hello).begun) sse.raw(bytes);
    });
    const leaving = new AbortController();
    const before = scene.upstream.requests.length;
    const response = await ask(vendor.model, true, leaving.signal);
    await response.body?.getReader().read();
    const left = performance.now();
    leaving.abort();
    expect(await (await scene.upstream.request(before)).closed).toBe("cut");
    expect(performance.now() - left).toBeLessThan(250);
  });

  test("10.8 one who does not read holds the upstream up, not our memory", async () => {
    let sent = 0;
    scene.play(async ({ begin, request }) => {
      const sse = begin();
      const over = new AbortController();
      void request.closed.then(() => over.abort());
      const events = vendor.stream({ kind: "text", text: "x".repeat(16 * 1024) }).begun;
      // One delta without end, as fast as it is taken.
      const at = events.findIndex((bytes) => bytes.includes("xxxx"));
      for (const bytes of events.slice(0, at)) sse.raw(bytes);
      for (const delta = events[at] ?? Buffer.alloc(0); !over.signal.aborted; sent += delta.length) await sse.taken(delta);
    });
    const leaving = new AbortController();
    await ask(vendor.model, true, leaving.signal);
    let before = -1;
    const isStill = (): boolean => before === (before = sent);
    await expect.poll(isStill, { interval: 200, timeout: 10_000 }).toBe(true);
    leaving.abort();
    // Two sockets hold some megabytes on their way.
    expect(sent).toBeGreaterThan(64 * 1024);
    expect(sent).toBeLessThan(kernelBytes);
    await expect.poll(() => scene.house.gateway.running()).toBe(0);
  });
});

describe.each(vendors)("10.9 once content of $name has left", (vendor) => {
  test.each(contents)("10.9 nobody else is asked: $kind", async (said) => {
    const shown = createGate();
    scene.play(async ({ begin, reply }) => {
      const sse = begin();
      for (const bytes of vendor.stream(said).begun) sse.raw(bytes);
      await shown.opened;
      reply.reset();
    });
    const before = scene.well.requests.length;
    const response = await ask(pairOf(vendor), true);
    shown.open();
    const { status, code, finished, body } = await told(response);
    expect([status, code, finished]).toEqual([200, "stream_interrupted", false]);
    expect(body).not.toContain("well");
    expect(scene.well.requests.length).toBe(before);
  });

  test("10.9 but before it the next one is, and nobody notices", async () => {
    scene.play(({ reply }) => reply.reset());
    for (const stream of [false, true]) {
      const { status, body } = await told(await ask(pairOf(vendor), stream));
      expect([status, body.includes("well")]).toEqual([200, true]);
    }
  });
});
