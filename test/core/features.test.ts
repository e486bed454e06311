import type { MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";

import { type ChatRequestSchema, Role, ToolChoice_Mode } from "../../src/core/chat.ts";
import { ChatError, type ChatErrorOptions, type Failure } from "../../src/core/error.ts";
import { type Feature, missingFeature, needsFeature } from "../../src/core/features.ts";
import { chatRequest, embedRequest } from "../support/attempt.ts";

type Wishes = MessageInitShape<typeof ChatRequestSchema>;

const said: ChatErrorOptions = { upstream: { status: 400, requestId: "" } };
const missing = (failure: Failure, options: ChatErrorOptions): Feature | undefined => missingFeature(new ChatError(failure, "no", options));

describe("what an upstream's refusal says of later calls", () => {
  for (const [field, feature] of [
    ["temperature", "temperature"],
    ["sampling.top_k", "top_k"],
    ["sampling", undefined],
    ["generationConfig.seed", "seed"],
    ["response_format", "output_format"],
    ["response_format.json_schema.schema", "output_format"],
    ["output_config.format", "output_format"],
    ["reasoning_effort", "reasoning"],
    ["thinking.budget_tokens", "reasoning"],
    ["max_completion_tokens", "max_output_tokens"],
    ["max_tokens", "max_output_tokens"],
    ["tools[0].function.strict", "tools"],
    ["tools.0.custom", "tools"],
    ["tool_choice", "tool_choice"],
    ["tool_choice.parallel", "parallel_tool_calls"],
    ["parallel_tool_calls", "parallel_tool_calls"],
    ["stream_options.include_usage", "stream"],
    ["user", "end_user_id"],
    ["audio", "audio_output"],
    ["audio.voice", "audio_output"],
    ["messages[0].content[1].image_url", "image"],
    ["messages.[0].content.[1].image_url.detail", "image"],
    ["messages.1.content.0.input_audio", "audio"],
    ["messages[3].content[0].document", "document"],
    ["messages[0].content[1]", undefined],
    ["messages", undefined],
    ["model", undefined],
    ["a_vendors_own", undefined],
    ["", undefined],
    ["constructor", undefined],
    ["__proto__", undefined],
    [`${"x.".repeat(10_000)}image`, undefined],
  ] as const) {
    test(`${field.slice(0, 50)}: ${feature ?? "nothing"}`, () => {
      expect(missing("UNSUPPORTED_FEATURE", { ...said, field })).toBe(feature);
    });
  }

  test("an unknown model is a missing model, whatever the field", () => {
    expect(missing("MODEL_NOT_FOUND", said)).toBe("model");
    expect(missing("MODEL_NOT_FOUND", { ...said, field: "tools" })).toBe("model");
  });

  test("is nothing where no upstream said it, or no field is named, or it is another failure", () => {
    expect(missing("UNSUPPORTED_FEATURE", { field: "tools" })).toBeUndefined();
    expect(missing("MODEL_NOT_FOUND", { upstream: { status: 0, requestId: "" } })).toBeUndefined();
    expect(missing("UNSUPPORTED_FEATURE", said)).toBeUndefined();
    expect(missing("INVALID_REQUEST", { ...said, field: "tools" })).toBeUndefined();
  });
});

describe("whether a call needs a feature", () => {
  const media = { media: { source: { case: "data" as const, value: new Uint8Array(1) }, mimeType: "x/y" } };
  const holding = (kind: "image" | "audio" | "document" | "video"): Wishes => ({
    messages: [{ role: Role.USER, content: [{ part: { case: kind, value: media } }] }],
  });
  const wishes: Record<Exclude<Feature, "model" | "stream" | "dimensions">, Wishes> = {
    tools: { tools: [{ kind: { case: "function", value: { name: "f" } } }] },
    tool_choice: { toolChoice: { mode: ToolChoice_Mode.AUTO } },
    parallel_tool_calls: { toolChoice: { parallel: false } },
    output_format: { outputFormat: { format: { case: "jsonObject", value: {} } } },
    reasoning: { reasoning: {} },
    max_output_tokens: { maxOutputTokens: 9 },
    n: { n: 2 },
    modalities: { modalities: ["text"] },
    audio_output: { audio: { format: "mp3" } },
    verbosity: { verbosity: "low" },
    service_tier: { serviceTier: "flex" },
    end_user_id: { endUserId: "u" },
    prompt_cache_key: { promptCacheKey: "k" },
    metadata: { metadata: { a: "b" } },
    store: { store: false },
    temperature: { sampling: { temperature: 0 } },
    top_p: { sampling: { topP: 1 } },
    top_k: { sampling: { topK: 1 } },
    min_p: { sampling: { minP: 0 } },
    frequency_penalty: { sampling: { frequencyPenalty: 0 } },
    presence_penalty: { sampling: { presencePenalty: 0 } },
    repetition_penalty: { sampling: { repetitionPenalty: 1 } },
    seed: { sampling: { seed: 0n } },
    logit_bias: { sampling: { logitBias: { "1": 2 } } },
    stop: { sampling: { stop: ["x"] } },
    logprobs: { sampling: { logprobs: true } },
    image: holding("image"),
    audio: holding("audio"),
    document: holding("document"),
    video: holding("video"),
  };
  test("of embeddings: their own fields, and nothing of a chat", () => {
    const needs = (feature: Feature, more = {}) => needsFeature({ request: embedRequest(["hi"], more), streamed: false }, feature);
    expect([needs("model"), needs("dimensions", { dimensions: 3 }), needs("end_user_id", { endUserId: "u" })]).toEqual([true, true, true]);
    expect([needs("dimensions"), needs("end_user_id"), needs("stream"), needs("tools")]).toEqual([false, false, false, false]);
    expect(needsFeature({ request: chatRequest("hi"), streamed: false }, "dimensions")).toBe(false);
  });

  const ofPlain = { request: chatRequest("hi"), streamed: false };
  for (const [feature, more] of Object.entries(wishes)) {
    test(feature, () => {
      expect(needsFeature({ request: chatRequest("hi", more), streamed: false }, feature as Feature)).toBe(true);
      expect(needsFeature(ofPlain, feature as Feature)).toBe(false);
    });
  }

  test("the model, always; a stream, where it is one; an image, also in a tool's result", () => {
    expect([needsFeature(ofPlain, "model"), needsFeature(ofPlain, "stream")]).toEqual([true, false]);
    expect(needsFeature({ ...ofPlain, streamed: true }, "stream")).toBe(true);
    const image = { part: { case: "image" as const, value: media } };
    const result = { part: { case: "toolResult" as const, value: { toolCallId: "1", content: [image] } } };
    const request = chatRequest("", { messages: [{ role: Role.TOOL, content: [result] }] });
    expect(needsFeature({ request, streamed: false }, "image")).toBe(true);
    expect(needsFeature({ request: chatRequest("hi", { sampling: { logprobs: false } }), streamed: false }, "logprobs")).toBe(false);
    expect(needsFeature({ request: chatRequest("hi", { n: 1 }), streamed: false }, "n")).toBe(false);
  });
});
