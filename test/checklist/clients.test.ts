/** Rows 1 to 4 of the conformance checklist (wire protocols, 10): the official SDKs, unchanged but for URL and key. */
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { generations } from "../clients/anthropic-clients.ts";
import { embeddings } from "../support/scripted-upstream.ts";
import { type Asked, openScene, type Scene } from "./scene.ts";
import { tokens, vendors } from "./vendors.ts";

const weather = z.object({ city: z.string(), celsius: z.int() });
const told = '{"city":"Paris","celsius":21}';
const total = tokens.input + tokens.output;
const user = (content: string) => ({ role: "user", content }) as const;

let scene: Scene;
let openai: OpenAI;
beforeAll(async () => {
  scene = await openScene();
  openai = new OpenAI({ baseURL: `${scene.url}/v1`, apiKey: "any", maxRetries: 0 });
});
beforeEach(() => scene.play(({ say }) => say({ kind: "text", text: "Bonjour" })));
afterAll(() => scene[Symbol.asyncDispose]());

/** Each language's word for a result of a tool, as often as it stands there. */
const results = ({ request }: Asked): number =>
  [...JSON.stringify(request.body).matchAll(/"role":"tool"|"type":"tool_result"|"functionResponse"|"function_call_output"|"toolResult"/g)]
    .length;

/** Two calls at once, then one more, then words. */
function compares(asked: Asked): void {
  const call = (id: string, name: string, input: object) => ({ id, name, arguments: JSON.stringify(input) });
  const done = results(asked);
  if (done === 0) asked.say({ kind: "calls", calls: ["Paris", "Rome"].map((city) => call(`call_${city}`, "celsius", { city })) });
  else if (done === 2) asked.say({ kind: "calls", calls: [call("call_d", "difference", { of: [21, 30] })] });
  else asked.say({ kind: "text", text: "Rome is 9 degrees warmer" });
}

describe.each(vendors)("10.1 the openai package over $name", ({ model }) => {
  test("10.1 create", async () => {
    const answer = await openai.chat.completions.create({ model, messages: [user("hello")] });
    expect(answer.choices).toMatchObject([{ message: { role: "assistant", content: "Bonjour" }, finish_reason: "stop" }]);
    expect(answer.usage).toMatchObject({ prompt_tokens: tokens.input, completion_tokens: tokens.output, total_tokens: total });
  });

  test("10.1 create, streamed", async () => {
    const body = { model, messages: [user("hello")], stream_options: { include_usage: true } };
    const chunks = await Array.fromAsync(await openai.chat.completions.create({ ...body, stream: true }));
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("")).toBe("Bonjour");
    expect(chunks.flatMap(({ choices }) => choices[0]?.finish_reason ?? [])).toEqual(["stop"]);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: total } });
  });

  test("10.1 stream().finalChatCompletion()", async () => {
    const { choices } = await openai.chat.completions.stream({ model, messages: [user("hello")] }).finalChatCompletion();
    expect(choices).toMatchObject([{ message: { content: "Bonjour" }, finish_reason: "stop" }]);
  });

  test("10.1 parse()", async () => {
    scene.play(({ say }) => say({ kind: "text", text: told }));
    const response_format = zodResponseFormat(weather, "weather");
    const answer = await openai.chat.completions.parse({ model, messages: [user("the weather")], response_format });
    expect(answer.choices[0]?.message.parsed).toEqual(JSON.parse(told));
  });

  test.each([false, true])("10.1 runTools(): two rounds, two calls at once (stream: %s)", async (stream) => {
    scene.play(compares);
    const called: unknown[] = [];
    const tool = (name: string, answer: string) => ({
      type: "function" as const,
      function: {
        name,
        description: name,
        parameters: { type: "object", properties: {} },
        parse: JSON.parse,
        function: (input: unknown) => {
          called.push(input);
          return answer;
        },
      },
    });
    const body = { model, messages: [user("compare Paris and Rome")], tools: [tool("celsius", "21"), tool("difference", "9")] };
    const runner = stream ? openai.chat.completions.runTools({ ...body, stream }) : openai.chat.completions.runTools(body);
    expect(await runner.finalContent()).toBe("Rome is 9 degrees warmer");
    expect(called).toEqual([{ city: "Paris" }, { city: "Rome" }, { of: [21, 30] }]);
  });
});

describe("10.2 the openai package's lists and vectors", () => {
  test("10.2 models with a slash in their id are listed and retrieved", async () => {
    const ids = (await Array.fromAsync(await openai.models.list())).map(({ id }) => id);
    expect(ids).toContain("team/any");
    for (const id of ["team/any", ...vendors.map(({ model }) => model)]) expect((await openai.models.retrieve(id)).id).toBe(id);
  });

  test.each([undefined, "base64", "float"] as const)(
    "10.2 embeddings of an upstream that knows floats only (asked for %s)",
    async (format) => {
      const vector = [0.5, -0.25, 0.125];
      scene.embed((reply) => reply.json(embeddings([vector])));
      const answer = await openai.embeddings.create({
        model: "vectors",
        input: "hello",
        ...(format !== undefined && { encoding_format: format }),
      });
      const [{ embedding } = { embedding: [] }] = answer.data;
      const numbers =
        typeof embedding === "string" ? [...new Float32Array(Uint8Array.from(Buffer.from(embedding, "base64")).buffer)] : embedding;
      expect([typeof embedding, numbers]).toEqual([format === "base64" ? "string" : "object", vector]);
    },
  );
});

describe.each(vendors)("10.3 the openai package's responses over $name", ({ model, name }) => {
  test("10.3 create, and stream().finalResponse()", async () => {
    const answer = await openai.responses.create({ model, input: "hello" });
    const final = await openai.responses.stream({ model, input: "hello" }).finalResponse();
    for (const each of [answer, final]) {
      expect(each).toMatchObject({ status: "completed", output_text: "Bonjour", store: false, usage: { total_tokens: total } });
    }
  });

  test("10.3 a function is called and answered, without storing anything", async () => {
    scene.play(compares);
    const celsius = { type: "function", name: "celsius", parameters: { type: "object", properties: {} }, strict: false } as const;
    const ask = { model, store: false, tools: [celsius], include: ["reasoning.encrypted_content" as const] };
    const first = await openai.responses.create({ ...ask, input: "compare Paris and Rome" });
    const calls = first.output.flatMap((item) => (item.type === "function_call" ? [item] : []));
    expect(calls.map((call) => JSON.parse(call.arguments))).toEqual([{ city: "Paris" }, { city: "Rome" }]);
    const outputs = calls.map(({ call_id }) => ({ type: "function_call_output" as const, call_id, output: "21" }));
    const input = [user("compare Paris and Rome"), ...JSON.parse(JSON.stringify(first.output)), ...outputs];
    const second = await openai.responses.create({ ...ask, input });
    expect(second.output.map(({ type }) => type)).toEqual(["function_call"]);
  });

  test("10.3 sealed reasoning goes back to who sealed it", async () => {
    scene.play(({ say }) => say({ kind: "reasoning", text: "Hm." }));
    const ask = { model, store: false, include: ["reasoning.encrypted_content" as const] };
    const first = await openai.responses.create({ ...ask, input: "hello" });
    const input = [user("hello"), ...JSON.parse(JSON.stringify(first.output)), user("go on")];
    await openai.responses.create({ ...ask, input });
    const sent = JSON.stringify(scene.upstream.requests.at(-1)?.body);
    // Of these vendors three seal their reasoning.
    expect(sent.includes("sealed==")).toBe(["openai-responses", "anthropic", "bedrock"].includes(name));
  });
});

describe.each(generations)("10.4 $name", ({ client, compare }) => {
  const anthropic = (key: { readonly apiKey: string } | { readonly authToken: string } = { apiKey: "any" }) =>
    client({ baseURL: scene.url, maxRetries: 0, ...key });
  const body = (model: string) => ({ model, max_tokens: 2000, messages: [user("hello")] });

  test.each(vendors)("10.4 create and stream().finalMessage() over $name", async ({ model }) => {
    const whole = await anthropic().messages.create(body(model));
    const final = await anthropic().messages.stream(body(model)).finalMessage();
    for (const each of [whole, final]) {
      expect(each).toMatchObject({ stop_reason: "end_turn", content: [{ type: "text", text: "Bonjour" }] });
      expect([each.usage.input_tokens, each.usage.output_tokens]).toEqual([tokens.input, tokens.output]);
    }
  });

  test.each(vendors)("10.4 tools over $name", async ({ model }) => {
    scene.play(compares);
    const called: unknown[] = [];
    const answer = await compare({ baseURL: scene.url, apiKey: "any", maxRetries: 0 }, model, (input) => {
      called.push(input);
      return "21";
    });
    expect([answer, called]).toEqual(["Rome is 9 degrees warmer", [{ city: "Paris" }, { city: "Rome" }, { of: [21, 30] }]]);
  });

  test.each(vendors)("10.4 thinking over $name", async ({ model }) => {
    scene.play(({ say }) => say({ kind: "reasoning", text: "Hm." }));
    const asked = { ...body(model), thinking: { type: "enabled", budget_tokens: 1024 } as const };
    for (const message of [await anthropic().messages.create(asked), await anthropic().messages.stream(asked).finalMessage()])
      expect(message.content).toMatchObject([{ type: "thinking", thinking: "Hm.", signature: expect.any(String) }]);
  });

  test("10.4 countTokens and models.list, with a key in either header", async () => {
    for (const key of [{ apiKey: "any" }, { authToken: "any" }]) {
      const { messages, models } = anthropic(key);
      scene.play(({ reply }) => reply.json({ input_tokens: 42 }));
      expect(await messages.countTokens({ model: "claude/claude-sonnet-4-5", messages: [user("hello")] })).toMatchObject({
        input_tokens: 42,
      });
      expect((await Array.fromAsync(models.list())).map(({ id }) => id)).toContain("team/any");
    }
  });
});
