/** LangChain's chat models that speak to our doors. */
import { ChatAnthropic } from "@langchain/anthropic";
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { type AIMessageChunk, type BaseMessage, HumanMessage, ToolMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { expect } from "vitest";
import { city, numbers, type Place, type Row, weather } from "./rows.ts";
import { answers, called, prompts } from "./script.ts";
import { createToolbox, type Toolbox } from "./toolbox.ts";

const common = { apiKey: "any", maxRetries: 0, maxTokens: 2000 } as const;
const openai = ({ url, chat }: Place, useResponsesApi: boolean): ChatOpenAI =>
  new ChatOpenAI({ ...common, model: chat, useResponsesApi, configuration: { baseURL: `${url}/v1` } });
const anthropic = ({ url, chat }: Place): ChatAnthropic => new ChatAnthropic({ ...common, model: chat, anthropicApiUrl: url });

const toolsOf = (toolbox: Toolbox) => [
  tool((input) => toolbox.celsius(input), { name: "celsius", description: "Temperature of a city", schema: city }),
  tool((input) => toolbox.difference(input), { name: "difference", description: "Difference of two numbers", schema: numbers }),
];

/** Both kinds of model; what the two have in common has their results' types. */
type Model = ChatOpenAI | ChatAnthropic;

async function loop(model: Model): Promise<void> {
  const toolbox = createToolbox();
  const tools = toolsOf(toolbox);
  const bound = bind(model, tools);
  const messages: BaseMessage[] = [new HumanMessage(prompts.compare)];
  for (let round = 0; round < 4; round++) {
    const answer = await bound.invoke(messages);
    const { tool_calls: calls = [] } = answer;
    if (calls.length === 0) {
      expect(answer.text).toBe(answers.compared);
      break;
    }
    messages.push(answer);
    for (const { id = "", name, args } of calls)
      messages.push(new ToolMessage({ tool_call_id: id, name, content: toolbox.byName(name, args) }));
  }
  expect(toolbox.seen).toEqual(called);
}

interface Bound {
  invoke(messages: BaseMessage[]): Promise<AIMessageChunk>;
}

const none = { input_tokens: 0, output_tokens: 0, total_tokens: -1 };

function bind(model: Model, tools: ReturnType<typeof toolsOf>): Bound {
  return model instanceof ChatOpenAI ? model.bindTools(tools) : model.bindTools(tools);
}

function rowsOf(client: string, how: string, at: (place: Place) => Model): readonly Row[] {
  const named = (call: string): string => (how === "" ? call : `${call} with ${how}`);
  return [
    {
      client,
      call: named("invoke"),
      async run(place) {
        const answer = await at(place).invoke(prompts.say);
        expect(answer.text).toBe(prompts.say);
        const { input_tokens: input, output_tokens: output, total_tokens: total } = answer.usage_metadata ?? none;
        expect([input > 0, output > 0, total]).toEqual([true, true, input + output]);
      },
    },
    {
      client,
      call: named("stream"),
      async run(place) {
        const pieces: string[] = [];
        for await (const { text } of await at(place).stream(prompts.say)) if (text !== "") pieces.push(text);
        expect([pieces.join(""), pieces.length > 1]).toEqual([prompts.say, true]);
      },
    },
    { client, call: named("bindTools and ToolMessage, two rounds, two calls at once"), needs: ["tools"], run: (place) => loop(at(place)) },
    {
      client,
      call: named("withStructuredOutput"),
      // Anthropic's has a tool for it.
      ...(client !== "@langchain/anthropic" && { needs: ["schema"] as const }),
      async run(place) {
        const model: BaseChatModel = at(place);
        const structured = model.withStructuredOutput(weather, { name: "weather" });
        expect(weather.safeParse(await structured.invoke(prompts.json))).toMatchObject({ success: true });
      },
    },
  ];
}

/** See the file. */
export const langchainRows: readonly Row[] = [
  ...rowsOf("@langchain/openai", "", (place) => openai(place, false)),
  ...rowsOf("@langchain/openai", "useResponsesApi", (place) => openai(place, true)),
  {
    client: "@langchain/openai",
    call: "embedDocuments",
    needs: ["embeddings"],
    async run({ url, embedding }) {
      const model = new OpenAIEmbeddings({ apiKey: "any", model: embedding, maxRetries: 0, configuration: { baseURL: `${url}/v1` } });
      const vectors = await model.embedDocuments(["one", "two"]);
      expect(vectors.map((each) => each.length > 0 && each.every((value) => Number.isFinite(value)))).toEqual([true, true]);
    },
  },
  ...rowsOf("@langchain/anthropic", "", anthropic),
];
