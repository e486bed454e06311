import { type Cell, tableOf } from "./table.ts";

const dropped = (...fields: string[]): Cell => ({ notes: fields.map((field) => `DROPPED ${field}`) });
const inConfig = (config: object): Cell => ({ wire: { generationConfig: config } });
const inInference = (config: object): Cell => ({ wire: { inferenceConfig: config } });

tableOf("6.6 sampling and limits", [
  {
    name: "6.6 temperature",
    asked: { chat: { temperature: 0.5 }, responses: { temperature: 0.5 }, messages: { temperature: 0.5 } },
    at: {
      "openai-chat": [{ wire: { temperature: 0.5 } }, { model: "gpt-5", ...dropped("sampling.temperature"), lacks: ["temperature"] }],
      "openai-responses": [{ wire: { temperature: 0.5 } }, { model: "gpt-5", ...dropped("sampling.temperature"), lacks: ["temperature"] }],
      "anthropic-messages": [{ wire: { temperature: 0.5 } }, { model: "claude-opus-5-5", ...dropped("sampling.temperature") }],
      gemini: [
        inConfig({ temperature: 0.5 }),
        { model: "gemini-3.8-flash", ...inConfig({ temperature: 0.5 }), notes: ["APPROXIMATED sampling.temperature"] },
      ],
      cohere: { wire: { temperature: 0.5 } },
      "bedrock-converse": inInference({ temperature: 0.5 }),
    },
  },
  {
    name: "6.6 temperature beyond 1",
    asked: { chat: { temperature: 1.7 }, responses: { temperature: 1.7 } },
    at: {
      "openai-chat": { wire: { temperature: 1.7 } },
      "openai-responses": { wire: { temperature: 1.7 } },
      "anthropic-messages": { wire: { temperature: 1 }, notes: ["CLAMPED sampling.temperature"] },
      gemini: inConfig({ temperature: 1.7 }),
      cohere: { wire: { temperature: 1.7 } },
      "bedrock-converse": { ...inInference({ temperature: 1 }), notes: ["CLAMPED sampling.temperature"] },
    },
  },
  {
    name: "6.6 top_p",
    asked: { chat: { top_p: 1 }, responses: { top_p: 1 }, messages: { top_p: 1 } },
    at: {
      "openai-chat": { wire: { top_p: 1 } },
      "openai-responses": { wire: { top_p: 1 } },
      "anthropic-messages": { wire: { top_p: 1 } },
      gemini: inConfig({ topP: 1 }),
      cohere: { wire: { p: 0.99 }, notes: ["CLAMPED sampling.top_p"] },
      "bedrock-converse": inInference({ topP: 1 }),
    },
  },
  {
    name: "6.6 temperature and top_p",
    asked: {
      chat: { temperature: 0.5, top_p: 0.9 },
      responses: { temperature: 0.5, top_p: 0.9 },
      messages: { temperature: 0.5, top_p: 0.9 },
    },
    at: {
      "openai-chat": { wire: { temperature: 0.5, top_p: 0.9 } },
      "anthropic-messages": [
        { wire: { temperature: 0.5 }, lacks: ["top_p"], notes: ["DROPPED sampling.top_p"] },
        { model: "claude-3-5-haiku-20241022", wire: { temperature: 0.5, top_p: 0.9 } },
      ],
      gemini: inConfig({ temperature: 0.5, topP: 0.9 }),
      cohere: { wire: { temperature: 0.5, p: 0.9 } },
      "bedrock-converse": [
        { ...inInference({ temperature: 0.5 }), notes: ["DROPPED sampling.top_p"] },
        { model: "eu.amazon.nova-pro-v1:0", ...inInference({ temperature: 0.5, topP: 0.9 }) },
      ],
    },
  },
  {
    name: "6.6 top_k",
    asked: { chat: { top_k: 7 }, messages: { top_k: 7 } },
    at: {
      "openai-chat": dropped("sampling.top_k"),
      "openai-responses": dropped("sampling.top_k"),
      "anthropic-messages": [{ wire: { top_k: 7 } }, { model: "claude-opus-5-5", ...dropped("sampling.top_k") }],
      gemini: inConfig({ topK: 7 }),
      cohere: { wire: { k: 7 } },
      "bedrock-converse": { wire: { additionalModelRequestFields: { top_k: 7 } } },
    },
  },
  {
    name: "6.6 output limit",
    asked: { chat: { max_completion_tokens: 50 }, responses: { max_output_tokens: 50 }, messages: { max_tokens: 50 } },
    at: {
      "openai-chat": { wire: { max_completion_tokens: 50 } },
      "openai-responses": { wire: { max_output_tokens: 50 } },
      "anthropic-messages": { wire: { max_tokens: 50 } },
      gemini: inConfig({ maxOutputTokens: 50 }),
      cohere: { wire: { max_tokens: 50 } },
      "bedrock-converse": inInference({ maxTokens: 50 }),
    },
  },
  {
    name: "6.6 no output limit",
    asked: { chat: {}, responses: {} },
    at: {
      "openai-chat": { lacks: ["max_tokens", "max_completion_tokens"] },
      "openai-responses": { lacks: ["max_output_tokens"] },
      "anthropic-messages": [{ wire: { max_tokens: 64_000 } }, { model: "claude-unheard-of-9", wire: { max_tokens: 4096 } }],
      gemini: { lacks: ["generationConfig"] },
      cohere: { lacks: ["max_tokens"] },
      "bedrock-converse": { lacks: ["inferenceConfig"] },
    },
  },
  {
    name: "6.6 an output limit above the model's",
    asked: { chat: { max_tokens: 9_000_000 }, responses: { max_output_tokens: 9_000_000 }, messages: { max_tokens: 9_000_000 } },
    at: {
      "openai-chat": { wire: { max_completion_tokens: 16_384 }, notes: ["CLAMPED max_output_tokens"] },
      "openai-responses": { wire: { max_output_tokens: 16_384 }, notes: ["CLAMPED max_output_tokens"] },
      "anthropic-messages": { wire: { max_tokens: 64_000 }, notes: ["CLAMPED max_output_tokens"] },
      gemini: { notes: ["CLAMPED max_output_tokens"] },
    },
  },
  {
    name: "6.6 stop",
    asked: { chat: { stop: ["X"] }, messages: { stop_sequences: ["X"] } },
    at: {
      "openai-chat": { wire: { stop: ["X"] } },
      "openai-responses": { refused: "sampling.stop" },
      "anthropic-messages": { wire: { stop_sequences: ["X"] } },
      gemini: inConfig({ stopSequences: ["X"] }),
      cohere: { wire: { stop_sequences: ["X"] } },
      "bedrock-converse": inInference({ stopSequences: ["X"] }),
    },
  },
  {
    name: "6.6 blank stop",
    asked: { chat: { stop: ["X", " "] } },
    at: {
      "openai-chat": { wire: { stop: ["X", " "] } },
      "anthropic-messages": { wire: { stop_sequences: ["X"] }, notes: ["DROPPED sampling.stop"] },
      "bedrock-converse": { ...inInference({ stopSequences: ["X"] }), notes: ["DROPPED sampling.stop"] },
    },
  },
  {
    name: "6.6 six stops",
    asked: { messages: { stop_sequences: ["1", "2", "3", "4", "5", "6"] } },
    at: {
      "anthropic-messages": { wire: { stop_sequences: ["1", "2", "3", "4", "5", "6"] } },
      gemini: { refused: "sampling.stop" },
      cohere: { refused: "sampling.stop" },
    },
  },
  {
    name: "6.6 penalties",
    asked: { chat: { frequency_penalty: -0.5, presence_penalty: 0.5 } },
    at: {
      "openai-chat": { wire: { frequency_penalty: -0.5, presence_penalty: 0.5 } },
      "openai-responses": dropped("sampling.frequency_penalty", "sampling.presence_penalty"),
      "anthropic-messages": dropped("sampling.frequency_penalty", "sampling.presence_penalty"),
      gemini: [
        dropped("sampling.frequency_penalty", "sampling.presence_penalty"),
        { model: "gemini-2.0-flash", ...inConfig({ frequencyPenalty: -0.5, presencePenalty: 0.5 }) },
      ],
      cohere: { wire: { presence_penalty: 0.5 }, lacks: ["frequency_penalty"], notes: ["CLAMPED sampling.frequency_penalty"] },
      "bedrock-converse": dropped("sampling.frequency_penalty", "sampling.presence_penalty"),
    },
  },
  {
    name: "6.6 both penalties",
    asked: { chat: { frequency_penalty: 0.4, presence_penalty: 0.5 } },
    at: { cohere: { wire: { frequency_penalty: 0.4 }, lacks: ["presence_penalty"], ...dropped("sampling.presence_penalty") } },
  },
  {
    name: "6.6 seed",
    asked: { chat: { seed: 7 } },
    at: {
      "openai-chat": { wire: { seed: 7 } },
      "openai-responses": dropped("sampling.seed"),
      "anthropic-messages": dropped("sampling.seed"),
      gemini: inConfig({ seed: 7 }),
      cohere: { wire: { seed: 7 } },
      "bedrock-converse": dropped("sampling.seed"),
    },
  },
  {
    name: "6.6 n",
    asked: { chat: { n: 2 } },
    at: {
      "openai-chat": { wire: { n: 2 } },
      "openai-responses": { refused: "n" },
      "anthropic-messages": { refused: "n" },
      gemini: [{ refused: "n" }, { model: "gemini-2.5-flash", ...inConfig({ candidateCount: 2 }) }],
      cohere: { refused: "n" },
      "bedrock-converse": { refused: "n" },
    },
  },
  {
    name: "6.6 logprobs",
    asked: { chat: { logprobs: true, top_logprobs: 3 } },
    at: {
      "openai-chat": { wire: { logprobs: true, top_logprobs: 3 } },
      "openai-responses": { wire: { top_logprobs: 3, include: ["message.output_text.logprobs"] } },
      "anthropic-messages": dropped("sampling.logprobs", "sampling.top_logprobs"),
      gemini: inConfig({ responseLogprobs: true, logprobs: 3 }),
      cohere: { wire: { logprobs: true }, ...dropped("sampling.top_logprobs") },
      "bedrock-converse": dropped("sampling.logprobs", "sampling.top_logprobs"),
    },
  },
  {
    name: "6.6 logit_bias",
    asked: { chat: { logit_bias: { "5": 1 } } },
    at: {
      "openai-chat": { wire: { logit_bias: { "5": 1 } } },
      "openai-responses": dropped("sampling.logit_bias"),
      "anthropic-messages": dropped("sampling.logit_bias"),
      gemini: dropped("sampling.logit_bias"),
      cohere: dropped("sampling.logit_bias"),
      "bedrock-converse": dropped("sampling.logit_bias"),
    },
  },
  {
    name: "6.6 user",
    asked: { chat: { safety_identifier: "u" }, responses: { safety_identifier: "u" }, messages: { metadata: { user_id: "u" } } },
    at: {
      "openai-chat": { wire: { safety_identifier: "u" } },
      "openai-responses": { wire: { safety_identifier: "u" } },
      "anthropic-messages": { wire: { metadata: { user_id: "u" } } },
      gemini: dropped("end_user_id"),
      cohere: dropped("end_user_id"),
      "bedrock-converse": { wire: { requestMetadata: { end_user_id: "u" } } },
    },
  },
  {
    name: "6.6 service_tier",
    asked: { chat: { service_tier: "priority" }, responses: { service_tier: "priority" } },
    at: {
      "openai-chat": { wire: { service_tier: "priority" } },
      "openai-responses": { wire: { service_tier: "priority" } },
      "anthropic-messages": dropped("service_tier"),
      gemini: { wire: { serviceTier: "priority" } },
      cohere: dropped("service_tier"),
      "bedrock-converse": { wire: { serviceTier: { type: "priority" } } },
    },
  },
  {
    name: "6.6 service_tier standard_only",
    asked: { messages: { service_tier: "standard_only" } },
    at: {
      "openai-chat": { wire: { service_tier: "default" } },
      "openai-responses": { wire: { service_tier: "default" } },
      "anthropic-messages": { wire: { service_tier: "standard_only" } },
      gemini: { wire: { serviceTier: "standard" } },
      cohere: {},
      "bedrock-converse": dropped("service_tier"),
    },
  },
  {
    name: "6.6 prompt cache",
    asked: { messages: { messages: [{ role: "user", content: [{ type: "text", text: "q", cache_control: { type: "ephemeral" } }] }] } },
    at: {
      "openai-chat": dropped("messages[0].content[0].cache_control"),
      "openai-responses": dropped("messages[0].content[0].cache_control"),
      "anthropic-messages": { wire: { messages: [{ content: [{ text: "q", cache_control: { type: "ephemeral" } }] }] } },
      gemini: dropped("messages[0].content[0].cache_control"),
      cohere: dropped("messages[0].content[0].cache_control"),
      "bedrock-converse": [
        { wire: { messages: [{ content: [{ text: "q" }, { cachePoint: { type: "default" } }] }] } },
        { model: "meta.llama3-3-70b-instruct-v1:0", ...dropped("messages[0].content[0].cache_control") },
      ],
    },
  },
  {
    name: "6.6 prompt_cache_key",
    asked: { chat: { prompt_cache_key: "k" }, responses: { prompt_cache_key: "k" } },
    at: {
      "openai-chat": { wire: { prompt_cache_key: "k" } },
      "openai-responses": { wire: { prompt_cache_key: "k" } },
      "anthropic-messages": dropped("prompt_cache_key"),
      gemini: dropped("prompt_cache_key"),
      cohere: dropped("prompt_cache_key"),
      "bedrock-converse": dropped("prompt_cache_key"),
    },
  },
  {
    name: "6.6 stored metadata",
    asked: { chat: { metadata: { a: "b" } }, responses: { metadata: { a: "b" } } },
    at: {
      "openai-chat": { wire: { metadata: { a: "b" } } },
      "openai-responses": { wire: { metadata: { a: "b" } } },
      "anthropic-messages": dropped("metadata"),
      gemini: dropped("metadata"),
      cohere: dropped("metadata"),
      "bedrock-converse": { wire: { requestMetadata: { a: "b" } } },
    },
  },
]);
