/** Two generations of the official `@anthropic-ai/sdk`, which speak two versions of the API. */
import type Anthropic from "@anthropic-ai/sdk";
import { expect } from "vitest";
import { type ClientOptions, type Generation, generations, type MessagesClient } from "../anthropic-clients.ts";
import { city, citySchema, numbersSchema, type Place, type Row } from "./rows.ts";
import { answers, called, prompts } from "./script.ts";
import { createToolbox } from "./toolbox.ts";

const ask = (model: string, content: string) => ({ model, max_tokens: 2000, messages: [{ role: "user" as const, content }] });

/** Without thoughts, which some models always have. */
function said(content: readonly Anthropic.ContentBlock[]): readonly Anthropic.ContentBlock[] {
  return content.filter(({ type }) => type !== "thinking");
}

function rowsOf({ name, client: create, compare }: Generation, client: string): readonly Row[] {
  const options = ({ url }: Place): ClientOptions => ({ baseURL: url, apiKey: "any", maxRetries: 0 });
  const at = (place: Place): MessagesClient => create(options(place));
  const say = async (sdk: MessagesClient, place: Place): Promise<void> => {
    const message = await sdk.messages.create(ask(place.chat, prompts.say));
    expect(message).toMatchObject({ type: "message", role: "assistant", stop_reason: "end_turn" });
    expect(said(message.content)).toMatchObject([{ type: "text", text: prompts.say }]);
    expect([message.usage.input_tokens > 0, message.usage.output_tokens > 0]).toEqual([true, true]);
  };
  return [
    { client, call: "messages.create, x-api-key", run: (place) => say(at(place), place) },
    {
      client,
      call: "messages.create, bearer token",
      run: (place) => say(create({ baseURL: place.url, authToken: "any", maxRetries: 0 }), place),
    },
    {
      client,
      call: "messages.stream().finalMessage()",
      async run(place) {
        const stream = at(place).messages.stream(ask(place.chat, prompts.say));
        const pieces: string[] = [];
        stream.on("text", (piece) => pieces.push(piece));
        const { content, stop_reason: reason } = await stream.finalMessage();
        expect([said(content), reason]).toMatchObject([[{ type: "text", text: prompts.say }], "end_turn"]);
        expect([pieces.join(""), pieces.length > 1]).toEqual([prompts.say, true]);
      },
    },
    {
      client,
      call: "messages.create with a forced tool",
      async run(place) {
        const tools = [{ name: "find", description: "Finds", input_schema: citySchema }];
        const body = { ...ask(place.chat, prompts.find), tools, tool_choice: { type: "tool" as const, name: "find" } };
        for (const { stop_reason, content } of [
          await at(place).messages.create(body),
          await at(place).messages.stream(body).finalMessage(),
        ]) {
          const [block] = said(content).filter(({ type }) => type === "tool_use");
          expect([stop_reason, block]).toMatchObject(["tool_use", { type: "tool_use", name: "find" }]);
          expect(city.safeParse(block?.type === "tool_use" ? block.input : undefined)).toMatchObject({ success: true });
        }
      },
    },
    { client, call: "messages.create, tools by hand", needs: ["tools"], run: (place) => byHand(at(place), place, false) },
    { client, call: "messages.stream, tools by hand", needs: ["tools"], run: (place) => byHand(at(place), place, true) },
    {
      client,
      call: "beta.messages.toolRunner",
      needs: ["tools"],
      async run(place) {
        const toolbox = createToolbox();
        const answer = await compare(options(place), place.chat, (input) =>
          city.safeParse(input).success ? toolbox.celsius(input) : toolbox.difference(input),
        );
        expect([answer, toolbox.seen]).toEqual([answers.compared, called]);
      },
    },
    {
      client,
      call: "messages.create with thinking, and back",
      needs: ["thinking"],
      async run(place) {
        const body = { ...ask(place.thinking, prompts.think), thinking: { type: "adaptive" as const } };
        for (const message of [await at(place).messages.create(body), await at(place).messages.stream(body).finalMessage()]) {
          expect(message.content).toMatchObject([
            { type: "thinking", thinking: answers.thinking, signature: expect.any(String) },
            { type: "text", text: answers.thought },
          ]);
          const messages = [...body.messages, { role: "assistant" as const, content: message.content }, ...ask("", prompts.say).messages];
          const { content } = await at(place).messages.create({ ...body, messages });
          expect(content.filter(({ type }) => type === "text")).toMatchObject([{ text: prompts.say }]);
        }
      },
    },
    {
      client,
      call: "messages.countTokens",
      async run(place) {
        const { max_tokens: _, ...body } = ask(place.chat, prompts.say);
        expect((await at(place).messages.countTokens(body)).input_tokens).toBeGreaterThan(0);
      },
    },
    {
      client,
      call: "models.list, models.retrieve",
      async run(place) {
        const id = place.chat.slice(place.chat.indexOf("/") + 1);
        const ids = (await Array.fromAsync(at(place).models.list({ limit: 5 }))).map((each) => each.id);
        expect([name, ids]).toEqual([name, expect.arrayContaining([id])]);
        expect(await at(place).models.retrieve(id)).toMatchObject({ id, type: "model" });
      },
    },
  ];
}

/** Goes on until nothing more is called, each time with all that was said. */
async function byHand(sdk: MessagesClient, place: Place, stream: boolean): Promise<void> {
  const toolbox = createToolbox();
  const tools = [
    { name: "celsius", description: "Tells the temperature", input_schema: citySchema },
    { name: "difference", description: "Tells the difference", input_schema: numbersSchema },
  ];
  const messages: Anthropic.MessageParam[] = [...ask("", prompts.compare).messages];
  for (let round = 0; round < 4; round++) {
    const body = { ...ask(place.chat, ""), messages, tools };
    const answer = stream ? await sdk.messages.stream(body).finalMessage() : await sdk.messages.create(body);
    const calls = answer.content.filter((block) => block.type === "tool_use");
    if (calls.length === 0) {
      expect(said(answer.content)).toMatchObject([{ type: "text", text: answers.compared }]);
      break;
    }
    expect(answer.stop_reason).toBe("tool_use");
    const results = calls.map(({ id, name, input }) => ({
      type: "tool_result" as const,
      tool_use_id: id,
      content: toolbox.byName(name, input),
    }));
    messages.push({ role: "assistant", content: answer.content }, { role: "user", content: results });
  }
  expect(toolbox.seen).toEqual(called);
}

const packages = ["@anthropic-ai/sdk", "anthropic-sdk-0"];

/** See the file. */
export const anthropicRows: readonly Row[] = generations.flatMap((generation, i) => rowsOf(generation, packages[i] ?? ""));
