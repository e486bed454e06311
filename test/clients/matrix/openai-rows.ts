/** The official `openai` package: chat completions, embeddings and models. */
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { expect } from "vitest";
import { city, citySchema, numbersSchema, type Place, type Row, weather } from "./rows.ts";
import { answers, called, prompts } from "./script.ts";
import { createToolbox, type Toolbox } from "./toolbox.ts";

const client = "openai";
const user = (content: string) => [{ role: "user" as const, content }];
const at = ({ url }: Place): OpenAI => new OpenAI({ baseURL: `${url}/v1`, apiKey: "any", maxRetries: 0 });

function runnable(name: "celsius" | "difference", toolbox: Toolbox) {
  const run = (input: unknown): string => toolbox[name](input);
  const parameters = name === "celsius" ? citySchema : numbersSchema;
  return { type: "function" as const, function: { name, description: `Tells the ${name}`, parameters, parse: JSON.parse, function: run } };
}

async function runTools(place: Place, stream: boolean): Promise<void> {
  const toolbox = createToolbox();
  const tools = [runnable("celsius", toolbox), runnable("difference", toolbox)];
  const body = { model: place.chat, messages: user(prompts.compare), tools };
  const { completions } = at(place).chat;
  const runner = stream ? completions.runTools({ ...body, stream }) : completions.runTools(body);
  expect(await runner.finalContent()).toBe(answers.compared);
  expect(toolbox.seen).toEqual(called);
  // Each result names a call of its own.
  const ids = runner.messages.flatMap((message) => (message.role === "tool" ? message.tool_call_id : []));
  expect(new Set(ids).size).toBe(3);
}

const find = { type: "function" as const, function: { name: "find", description: "Finds", parameters: citySchema } };

/** See the file. */
export const openaiRows: readonly Row[] = [
  {
    client,
    call: "chat.completions.create",
    async run(place) {
      const answer = await at(place).chat.completions.create({ model: place.chat, messages: user(prompts.say) });
      expect(answer).toMatchObject({ object: "chat.completion", choices: [{ index: 0, finish_reason: "stop" }] });
      expect(answer.choices[0]?.message).toMatchObject({ role: "assistant", content: prompts.say, refusal: null });
      const { prompt_tokens: input = 0, completion_tokens: output = 0, total_tokens: total } = answer.usage ?? {};
      expect([input > 0, output > 0, total]).toEqual([true, true, input + output]);
    },
  },
  {
    client,
    call: "chat.completions.create, stream",
    async run(place) {
      const body = { model: place.chat, messages: user(prompts.say), stream: true as const, stream_options: { include_usage: true } };
      const chunks = await Array.fromAsync(await at(place).chat.completions.create(body));
      expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
      expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("")).toBe(prompts.say);
      expect(chunks.flatMap(({ choices }) => choices[0]?.finish_reason ?? [])).toEqual(["stop"]);
      expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: expect.any(Number) } });
    },
  },
  {
    client,
    call: "chat.completions.stream().finalChatCompletion()",
    async run(place) {
      const stream = at(place).chat.completions.stream({ model: place.chat, messages: user(prompts.say) });
      const deltas: string[] = [];
      stream.on("content", (delta) => deltas.push(delta));
      expect((await stream.finalChatCompletion()).choices).toMatchObject([{ message: { content: prompts.say }, finish_reason: "stop" }]);
      expect([deltas.join(""), deltas.length > 1]).toEqual([prompts.say, true]);
    },
  },
  {
    client,
    call: "chat.completions.parse with a JSON schema",
    needs: ["schema"],
    async run(place) {
      const response_format = zodResponseFormat(weather, "weather");
      const body = { model: place.chat, messages: user(prompts.json), response_format };
      const { completions } = at(place).chat;
      for (const { choices } of [await completions.parse(body), await completions.stream(body).finalChatCompletion()])
        expect(weather.safeParse(choices[0]?.message.parsed)).toMatchObject({ success: true });
    },
  },
  {
    client,
    call: "chat.completions.create with a forced tool",
    async run(place) {
      const tool_choice = { type: "function" as const, function: { name: "find" } };
      const body = { model: place.chat, messages: user(prompts.find), tools: [find], tool_choice };
      const { completions } = at(place).chat;
      for (const { choices } of [await completions.create(body), await completions.stream(body).finalChatCompletion()]) {
        expect(choices).toMatchObject([
          { finish_reason: "tool_calls", message: { tool_calls: [{ type: "function", function: { name: "find" } }] } },
        ]);
        const [call] = choices[0]?.message.tool_calls ?? [];
        expect(city.safeParse(JSON.parse(call?.type === "function" ? call.function.arguments : ""))).toMatchObject({ success: true });
      }
    },
  },
  { client, call: "chat.completions.runTools, two rounds, two calls at once", needs: ["tools"], run: (place) => runTools(place, false) },
  { client, call: "chat.completions.runTools, stream", needs: ["tools"], run: (place) => runTools(place, true) },
  {
    client,
    call: "embeddings.create, by default and float",
    needs: ["embeddings"],
    async run(place) {
      const { embeddings } = at(place);
      const body = { model: place.embedding, input: ["one", "two"] };
      const { data } = await embeddings.create(body);
      expect(data.map(({ index, embedding }) => [index, embedding.length > 0, embedding.every((value) => Number.isFinite(value))])).toEqual(
        [
          [0, true, true],
          [1, true, true],
        ],
      );
      // By default the package asks for base64 and unpacks it, so these have the precision of four bytes.
      const float = (await embeddings.create({ ...body, encoding_format: "float" })).data;
      expect(data.map(({ embedding }) => embedding)).toEqual(float.map(({ embedding }) => [...new Float32Array(embedding)]));
    },
  },
  {
    client,
    call: "models.list, models.retrieve",
    async run(place) {
      const id = place.chat.slice(place.chat.indexOf("/") + 1);
      const { models } = at(place);
      expect((await Array.fromAsync(await models.list())).map((each) => each.id)).toContain(id);
      expect(await models.retrieve(id)).toMatchObject({ id, object: "model" });
    },
  },
];
