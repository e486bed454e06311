/** The `ai` package over each of its providers that speaks to one of our doors. */
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import {
  embedMany,
  type EmbeddingModel,
  generateObject,
  generateText,
  isStepCount,
  type LanguageModel,
  Output,
  streamText,
  tool,
} from "ai";
import { expect } from "vitest";
import type { Need } from "./columns.ts";
import { city, numbers, type Place, type Row, weather } from "./rows.ts";
import { answers, called, prompts } from "./script.ts";
import { createToolbox, type Toolbox } from "./toolbox.ts";

/** One of its providers. */
interface Flavour {
  readonly client: string;
  /** What distinguishes it from another of the same package. */
  readonly how: string;
  readonly model: (place: Place, id: string) => LanguageModel;
  readonly embedding?: (place: Place) => EmbeddingModel;
  /** Which of the calls: those that refer to what was said before, or all but those that show reasoning. Default: all. */
  readonly only?: "several steps" | "no reasoning";
  /** What a loop of tools needs of a column; default: tools. */
  readonly loops?: Need;
  /** Why a second turn works nowhere. */
  readonly forgets?: string;
  readonly options?: Parameters<typeof generateText>[0]["providerOptions"];
}

const openai = ({ url }: Place) => createOpenAI({ baseURL: `${url}/v1`, apiKey: "any" });
const compatible = ({ url }: Place) =>
  createOpenAICompatible({ name: "semaroute", baseURL: `${url}/v1`, apiKey: "any", includeUsage: true, supportsStructuredOutputs: true });
const anthropic = ({ url }: Place) => createAnthropic({ baseURL: `${url}/v1`, apiKey: "any" });

const flavours: readonly Flavour[] = [
  {
    client: "@ai-sdk/openai",
    how: "",
    model: (place, id) => openai(place)(id),
    embedding: (place) => openai(place).embedding(place.embedding),
    loops: "quiet tools",
    forgets: "this client refers to what was said as if it were stored, and nothing is stored here; with store: false it works",
  },
  {
    client: "@ai-sdk/openai",
    how: "store: false",
    model: (place, id) => openai(place)(id),
    only: "several steps",
    options: { openai: { store: false } },
  },
  // It reads no reasoning in chat completions.
  { client: "@ai-sdk/openai", how: ".chat()", model: (place, id) => openai(place).chat(id), only: "no reasoning" },
  {
    client: "@ai-sdk/openai-compatible",
    how: "",
    model: (place, id) => compatible(place)(id),
    embedding: (place) => compatible(place).embeddingModel(place.embedding),
  },
  { client: "@ai-sdk/anthropic", how: "", model: (place, id) => anthropic(place)(id) },
];

const toolsOf = (toolbox: Toolbox) => ({
  celsius: tool({ description: "Temperature of a city", inputSchema: city, execute: (input) => toolbox.celsius(input) }),
  difference: tool({ description: "Difference of two numbers", inputSchema: numbers, execute: (input) => toolbox.difference(input) }),
});

function rowsOf({ client, how, model, embedding, only, loops = "tools", forgets, options = {} }: Flavour): readonly Row[] {
  const named = (call: string): string => (how === "" ? call : `${call} with ${how}`);
  const asking = (place: Place, id = place.chat) => ({
    model: model(place, id),
    maxRetries: 0,
    maxOutputTokens: 2000,
    providerOptions: options,
  });
  const rows: readonly Row[] = [
    {
      client,
      call: named("generateText"),
      async run(place) {
        const { text, finishReason, usage, warnings } = await generateText({ ...asking(place), prompt: prompts.say });
        expect([text, finishReason]).toEqual([prompts.say, "stop"]);
        expect([(usage.inputTokens ?? 0) > 0, (usage.outputTokens ?? 0) > 0, warnings ?? []]).toEqual([true, true, []]);
      },
    },
    {
      client,
      call: named("streamText"),
      async run(place) {
        const result = streamText({ ...asking(place), prompt: prompts.say });
        const pieces = await Array.fromAsync(result.textStream);
        expect([pieces.join(""), pieces.length > 1, await result.finishReason]).toEqual([prompts.say, true, "stop"]);
        expect((await result.usage).outputTokens).toBeGreaterThan(0);
      },
    },
    {
      client,
      call: named("generateText, a second turn"),
      ...(forgets !== undefined && { never: forgets }),
      async run(place) {
        const asked = { role: "user" as const, content: prompts.say };
        const { responseMessages } = await generateText({ ...asking(place), messages: [asked] });
        const { text } = await generateText({ ...asking(place), messages: [asked, ...responseMessages, asked] });
        expect(text).toBe(prompts.say);
      },
    },
    {
      client,
      call: named("generateText, tools in several steps"),
      needs: [loops],
      async run(place) {
        const toolbox = createToolbox();
        const { text } = await generateText({
          ...asking(place),
          prompt: prompts.compare,
          tools: toolsOf(toolbox),
          stopWhen: isStepCount(5),
        });
        expect([text, toolbox.seen]).toEqual([answers.compared, called]);
      },
    },
    {
      client,
      call: named("streamText, tools in several steps"),
      needs: [loops],
      async run(place) {
        const toolbox = createToolbox();
        const result = streamText({ ...asking(place), prompt: prompts.compare, tools: toolsOf(toolbox), stopWhen: isStepCount(5) });
        expect([await result.text, toolbox.seen, (await result.steps).length]).toEqual([answers.compared, called, 3]);
      },
    },
    {
      client,
      call: named("generateText with a forced tool"),
      async run(place) {
        const find = tool({ description: "Finds", inputSchema: city, execute: () => answers.found });
        const toolChoice = { type: "tool", toolName: "find" } as const;
        const { toolCalls, finishReason } = await generateText({ ...asking(place), prompt: prompts.find, tools: { find }, toolChoice });
        expect([toolCalls, finishReason]).toMatchObject([[{ toolName: "find", input: { city: expect.any(String) } }], "tool-calls"]);
      },
    },
    {
      client,
      call: named("generateObject, Output.object"),
      // Anthropic's has a tool for it.
      ...(client !== "@ai-sdk/anthropic" && { needs: ["schema"] as const }),
      async run(place) {
        const { object } = await generateObject({ ...asking(place), prompt: prompts.json, schema: weather });
        const { output } = await generateText({ ...asking(place), prompt: prompts.json, output: Output.object({ schema: weather }) });
        for (const each of [object, output]) expect(weather.safeParse(each)).toMatchObject({ success: true });
      },
    },
    {
      client,
      call: named("generateText with reasoning"),
      needs: ["thinking"],
      async run(place) {
        const body = { ...asking(place, place.thinking), prompt: prompts.think, reasoning: "low" as const };
        const { text, reasoningText } = await generateText(body);
        expect([text, reasoningText]).toEqual([answers.thought, answers.thinking]);
        const streamed = streamText(body);
        expect([await streamed.text, await streamed.reasoningText]).toEqual([answers.thought, answers.thinking]);
      },
    },
  ];
  if (only === "several steps") return rows.filter(({ call, needs }) => needs?.includes("tools") || call.includes("second turn"));
  if (only === "no reasoning") return rows.filter(({ needs }) => !needs?.includes("thinking"));
  if (embedding === undefined) return rows;
  return [
    ...rows,
    {
      client,
      call: named("embedMany"),
      needs: ["embeddings"],
      async run(place) {
        const { embeddings } = await embedMany({ model: embedding(place), values: ["one", "two"], maxRetries: 0 });
        expect(embeddings.map((each) => each.length > 0 && each.every((value) => Number.isFinite(value)))).toEqual([true, true]);
      },
    },
  ];
}

/** See the file. */
export const aiSdkRows: readonly Row[] = flavours.flatMap(rowsOf);
