/** The official `openai` package: the Responses API. */
import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import type { ResponseInput, ResponseStreamEvent } from "openai/resources/responses/responses";
import { expect } from "vitest";
import { citySchema, numbersSchema, type Place, type Row, weather } from "./rows.ts";
import { answers, called, prompts } from "./script.ts";
import { createToolbox } from "./toolbox.ts";

const client = "openai";
const at = ({ url }: Place): OpenAI["responses"] => new OpenAI({ baseURL: `${url}/v1`, apiKey: "any", maxRetries: 0 }).responses;

const tools = (["celsius", "difference"] as const).map((name) => ({
  type: "function" as const,
  name,
  description: `Tells the ${name}`,
  strict: false,
  parameters: name === "celsius" ? citySchema : numbersSchema,
}));

/** Goes on until nothing more is called, each time with all that was said. */
async function loop(place: Place, stream: boolean): Promise<void> {
  const toolbox = createToolbox();
  const input: ResponseInput = [{ role: "user", content: prompts.compare }];
  for (let round = 0; round < 4; round++) {
    const body = { model: place.chat, input, tools, store: false };
    const answer = stream ? await at(place).stream(body).finalResponse() : await at(place).create(body);
    const calls = answer.output.flatMap((item) => (item.type === "function_call" ? [item] : []));
    if (calls.length === 0) {
      expect(answer.output_text).toBe(answers.compared);
      break;
    }
    // An answer's items are the next request's; the types of the two differ in what only the vendor writes.
    const said: ResponseInput = JSON.parse(JSON.stringify(answer.output));
    const outputs = calls.map(({ call_id, name, arguments: json }) => ({
      type: "function_call_output" as const,
      call_id,
      output: toolbox.byName(name, JSON.parse(json)),
    }));
    input.push(...said, ...outputs);
  }
  expect(toolbox.seen).toEqual(called);
}

/** See the file. */
export const openaiResponsesRows: readonly Row[] = [
  {
    client,
    call: "responses.create",
    async run(place) {
      const answer = await at(place).create({ model: place.chat, input: prompts.say, instructions: "be exact" });
      expect(answer).toMatchObject({ object: "response", status: "completed", output_text: prompts.say, store: false, error: null });
      const { input_tokens: input = 0, output_tokens: output = 0, total_tokens: total } = answer.usage ?? {};
      expect([input > 0, output > 0, total]).toEqual([true, true, input + output]);
    },
  },
  {
    client,
    call: "responses.create, stream",
    async run(place) {
      const events: ResponseStreamEvent[] = await Array.fromAsync(
        await at(place).create({ model: place.chat, input: prompts.say, stream: true }),
      );
      expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, i) => i));
      expect(events.flatMap((event) => (event.type === "response.output_text.delta" ? event.delta : "")).join("")).toBe(prompts.say);
      expect(events.at(-1)).toMatchObject({ type: "response.completed", response: { status: "completed" } });
    },
  },
  {
    client,
    call: "responses.parse with a JSON schema",
    needs: ["schema"],
    async run(place) {
      const body = { model: place.chat, input: prompts.json, text: { format: zodTextFormat(weather, "weather") } };
      for (const { output_parsed } of [await at(place).parse(body), await at(place).stream(body).finalResponse()])
        expect(weather.safeParse(output_parsed)).toMatchObject({ success: true });
    },
  },
  {
    client,
    call: "responses.create with reasoning",
    needs: ["thinking"],
    async run(place) {
      const body = { model: place.thinking, input: prompts.think, reasoning: { effort: "low" as const, summary: "auto" as const } };
      for (const answer of [await at(place).create(body), await at(place).stream(body).finalResponse()]) {
        expect(answer.output.map(({ type }) => type)).toEqual(["reasoning", "message"]);
        expect(JSON.stringify(answer.output[0])).toContain(answers.thinking);
        expect(answer.output_text).toBe(answers.thought);
      }
    },
  },
  { client, call: "responses.create, function loop, two calls at once", needs: ["tools"], run: (place) => loop(place, false) },
  { client, call: "responses.stream, function loop", needs: ["tools"], run: (place) => loop(place, true) },
];
