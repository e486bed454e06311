import { expect } from "vitest";
import type { Body } from "./doors.ts";
import { type Cell, tableOf } from "./table.ts";

const schema = { type: "object", properties: { a: { type: "string" } }, required: ["a"], additionalProperties: false };
const told = (words: string): Cell => ({ wire: { system: expect.stringContaining(words) } });

tableOf("6.4 output format", [
  {
    name: "6.4 json_object",
    asked: { chat: { response_format: { type: "json_object" } }, responses: { text: { format: { type: "json_object" } } } },
    at: {
      "openai-chat": { wire: { response_format: { type: "json_object" } } },
      "openai-responses": { wire: { text: { format: { type: "json_object" } } } },
      "anthropic-messages": { ...told("one valid JSON object"), notes: ["EMULATED output_format.json_object"] },
      gemini: { wire: { generationConfig: { responseMimeType: "application/json" } } },
      cohere: { wire: { response_format: { type: "json_object" } } },
      "bedrock-converse": {
        wire: { system: [{ text: expect.stringContaining("one valid JSON object") }] },
        notes: ["EMULATED output_format.json_object"],
      },
    },
  },
  {
    name: "6.4 json_schema",
    asked: {
      chat: { response_format: { type: "json_schema", json_schema: { name: "n", schema, strict: true } } },
      responses: { text: { format: { type: "json_schema", name: "n", schema, strict: true } } },
      messages: { output_config: { format: { type: "json_schema", schema } } },
    },
    at: {
      "openai-chat": { wire: { response_format: { type: "json_schema", json_schema: { schema } } } },
      "openai-responses": { wire: { text: { format: { type: "json_schema", schema } } } },
      "anthropic-messages": [
        { wire: { output_config: { format: { type: "json_schema", schema } } } },
        {
          model: "claude-3-5-haiku-20241022",
          wire: { tools: [{ input_schema: schema }], tool_choice: { type: "tool" } },
          notes: ["EMULATED output_format.json_schema"],
        },
      ],
      gemini: { wire: { generationConfig: { responseMimeType: "application/json", responseJsonSchema: schema } } },
      cohere: { wire: { response_format: { type: "json_object", json_schema: schema } } },
      "bedrock-converse": [
        { wire: { outputConfig: { textFormat: { type: "json_schema" } } } },
        { model: "eu.amazon.nova-pro-v1:0", notes: ["EMULATED output_format.json_schema"] },
      ],
    },
  },
  {
    name: "6.4 json_schema beside tools",
    asked: {
      chat: {
        tools: [{ type: "function", function: { name: "f", parameters: schema } }],
        response_format: { type: "json_schema", json_schema: { name: "n", schema } },
      },
    },
    at: {
      gemini: [{ wire: { generationConfig: { responseJsonSchema: schema } } }, { model: "gemini-2.5-flash", refused: "output_format" }],
      cohere: { lacks: ["response_format"], notes: ["EMULATED output_format.json_schema"] },
    },
  },
]);

const asked = (effort: string): Readonly<Record<"chat" | "responses", Body>> => ({
  chat: { reasoning_effort: effort, max_completion_tokens: 25_000 },
  responses: { reasoning: { effort }, max_output_tokens: 25_000 },
});
/** [effort, adaptive word, Claude's budget, level, Gemini 2.5's budget, Cohere's thinking]. */
const efforts = [
  ["minimal", "low", 1024, "MINIMAL", 512, { type: "enabled", token_budget: 512 }],
  ["low", "low", 1024, "LOW", 1024, { type: "enabled", token_budget: 1024 }],
  ["medium", "medium", 4096, "MEDIUM", 4096, { type: "enabled", token_budget: 4096 }],
  ["high", "high", 16_384, "HIGH", 16_384, { type: "enabled" }],
] as const;

tableOf(
  "6.5 reasoning",
  efforts.map(([effort, word, budget, level, tokens, thinking]) => ({
    name: `6.5 effort ${effort}`,
    asked: asked(effort),
    at: {
      "openai-chat": { model: "gpt-5", wire: { reasoning_effort: effort } },
      "openai-responses": { model: "gpt-5", wire: { reasoning: { effort } } },
      "anthropic-messages": [
        {
          model: "claude-opus-4-7",
          wire: { thinking: { type: "adaptive" }, output_config: { effort: word } },
          notes: effort === word ? [] : ["APPROXIMATED reasoning.effort"],
        },
        { model: "claude-sonnet-4-5", wire: { thinking: { type: "enabled", budget_tokens: budget } } },
      ],
      gemini: [
        { wire: { generationConfig: { thinkingConfig: { thinkingLevel: level } } } },
        { model: "gemini-2.5-flash", wire: { generationConfig: { thinkingConfig: { thinkingBudget: tokens } } } },
      ],
      cohere: { model: "command-a-reasoning-08-2025", wire: { thinking } },
      "bedrock-converse": { wire: { additionalModelRequestFields: { thinking: { type: "enabled", budget_tokens: budget } } } },
    },
  })),
);
