import { expect, test } from "vitest";

import { chunk, completion, createGate, createUpstream, streamText } from "./scripted-upstream.ts";

const post = (url: string, init: RequestInit = {}) =>
  fetch(`${url}/v1/chat/completions`, { method: "POST", body: '{"model":"m"}', ...init });

test("a whole answer arrives, and the request is on record", async () => {
  await using upstream = await createUpstream((reply) => reply.json(completion("hi")));
  const answer = await post(upstream.url, { headers: { authorization: "Bearer k" } });
  expect(await answer.json()).toMatchObject({ choices: [{ message: { content: "hi" }, finish_reason: "stop" }] });
  const request = await upstream.request(0);
  expect(request).toMatchObject({ method: "POST", path: "/v1/chat/completions", body: { model: "m" } });
  expect(request.headers.authorization).toBe("Bearer k");
  expect(await request.closed).toBe("finished");
});

test("a stream stands still at a gate", async () => {
  const gate = createGate();
  await using upstream = await createUpstream(async (reply) => {
    const sse = reply.sse();
    sse.data(chunk({ content: "one" }));
    await gate.opened;
    sse.data(chunk({ content: "two" }, "stop")).done();
  });
  const answer = await post(upstream.url);
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  const first = await reader?.read();
  expect(first?.value).toContain("one");
  expect(first?.value).not.toContain("two");
  gate.open();
  let rest = "";
  for (let part = await reader?.read(); part?.done === false; part = await reader?.read()) rest += part.value;
  expect(rest).toMatch(/two.*\[DONE\]\n\n$/s);
});

test("a text is streamed with its usage and its end", async () => {
  await using upstream = await createUpstream((reply) => streamText(reply, ["a", "b"]));
  const text = await (await post(upstream.url)).text();
  expect(text.match(/^data: /gm)).toHaveLength(6);
  expect(text).toContain('"completion_tokens":2');
});

test("an error has its status, its headers and OpenAI's shape", async () => {
  await using upstream = await createUpstream((reply) => reply.error(429, "slow down", { "retry-after": "7" }));
  const answer = await post(upstream.url);
  expect(answer.status).toBe(429);
  expect(answer.headers.get("retry-after")).toBe("7");
  expect(await answer.json()).toMatchObject({ error: { message: "slow down" } });
});

test("a reset before the answer fails the request", async () => {
  await using upstream = await createUpstream((reply) => reply.reset());
  await expect(post(upstream.url)).rejects.toThrow("fetch failed");
  expect(await (await upstream.request(0)).closed).toBe("cut");
});

test("a cut in an answer fails its body", async () => {
  await using upstream = await createUpstream((reply) => {
    reply.sse().data(chunk({ content: "one" }));
    reply.cut();
  });
  const answer = await post(upstream.url);
  await expect(answer.text()).rejects.toThrow("terminated");
});

test("a caller who leaves an upstream that hangs is noticed", async () => {
  await using upstream = await createUpstream(() => {});
  const leave = new AbortController();
  const answer = post(upstream.url, { signal: leave.signal });
  const { closed } = await upstream.request(0);
  leave.abort(new Error("left"));
  await expect(answer).rejects.toThrow("left");
  expect(await closed).toBe("cut");
});

test("a bug in the handler fails the test when the upstream closes", async () => {
  const upstream = await createUpstream(() => {
    throw new Error("bug");
  });
  await expect(post(upstream.url)).rejects.toThrow("fetch failed");
  await expect(upstream.close()).rejects.toThrow("bug");
});
