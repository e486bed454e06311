import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";

import type { Attempt } from "../../src/core/call.ts";
import { type ChatResponse, FinishReason, Role, ToolChoice_Mode } from "../../src/core/chat.ts";
import { ToolSchema } from "../../gen/semaroute/v1/chat_pb.ts";
import { ChatError } from "../../src/core/error.ts";
import { createFolder } from "../../src/core/fold.ts";
import type { SimulatedOptions } from "../../src/providers/simulated.ts";
import { attemptOf, chatRequest, chatTarget } from "../support/attempt.ts";
import { type Batches, read, settled, simulated, texts } from "../support/simulated.ts";

function folded(batches: Batches): ChatResponse {
  const folder = createFolder();
  for (const event of batches.flat()) if (event.case !== "head") folder.push(event);
  return folder.response();
}

async function answer(attempt: Attempt, more: Partial<SimulatedOptions> = {}): Promise<ChatResponse> {
  const { batches, error } = await read(simulated(more).provider.chat(attempt));
  expect(error).toBeUndefined();
  return folded(batches);
}

const weather = create(ToolSchema, {
  kind: {
    case: "function",
    value: { name: "weather", parametersJsonSchema: '{"required":["city"],"properties":{"city":{"type":"string","minLength":1}}}' },
  },
});
const grep = create(ToolSchema, { kind: { case: "custom", value: { name: "grep" } } });

test("events come in the order of the protocol", async () => {
  const { batches } = await read(simulated().provider.chat(attemptOf(chatRequest("one two"))));
  expect(batches.map((batch) => batch.map((event) => event.case))).toEqual([
    ["head"],
    ["started", "partStarted", "partDelta", "partDelta", "partEnded", "choiceEnded", "usage", "completed"],
  ]);
  expect(batches[0]?.[0]).toEqual({ case: "head", value: { status: 200, requestId: "sim-0", notes: [] } });
});

for (const streamed of [true, false]) {
  describe(streamed ? "streamed" : "whole", () => {
    test("the last words of the user come back, with their tokens counted", async () => {
      const messages = [
        { role: Role.USER, text: "first" },
        { role: Role.ASSISTANT, text: "an answer" },
        { role: Role.USER, text: "the last, ", content: [{ part: { case: "text" as const, value: { text: "words" } } }] },
      ];
      const response = await answer(attemptOf(chatRequest("", { messages }), { streamed }));
      expect(response).toMatchObject({ model: "sim-chat", usage: { inputTokens: 17, outputTokens: 4, totalTokens: 21 } });
      expect(response.choices).toMatchObject([
        { index: 0, finishReason: FinishReason.STOP, nativeFinishReason: "stop", message: { text: "the last, words" } },
      ]);
    });

    test("a fixed text is said whatever was asked", async () => {
      const response = await answer(attemptOf(chatRequest("x"), { streamed }), { reply: { kind: "text", text: "fixed 😀 text" } });
      expect(response.choices[0]?.message?.text).toBe("fixed 😀 text");
    });

    test("so many tokens are that many", async () => {
      const response = await answer(attemptOf(chatRequest("x"), { streamed }), { reply: { kind: "tokens", count: 100 } });
      expect(response.usage?.outputTokens).toBe(100);
      expect(response.choices[0]?.message?.text.split(" ")).toHaveLength(100);
    });

    test("nothing said is an empty answer, and a finished one", async () => {
      const response = await answer(attemptOf(chatRequest("x"), { streamed }), { reply: { kind: "text", text: "" } });
      expect(response).toMatchObject({ usage: { outputTokens: 0 }, choices: [{ finishReason: FinishReason.STOP, message: { text: "" } }] });
    });

    test("the output limit cuts the answer and says so", async () => {
      const response = await answer(attemptOf(chatRequest("one two three", { maxOutputTokens: 2 }), { streamed }));
      expect(response).toMatchObject({
        usage: { outputTokens: 2 },
        choices: [{ finishReason: FinishReason.LENGTH, nativeFinishReason: "length", message: { text: "one two" } }],
      });
    });

    test("an answer as long as the limit is whole", async () => {
      const response = await answer(attemptOf(chatRequest("one two", { maxOutputTokens: 2 }), { streamed }));
      expect(response.choices[0]?.finishReason).toBe(FinishReason.STOP);
    });

    test("the model's own limit holds where the request has none", async () => {
      const target = chatTarget({ capabilities: { $typeName: "semaroute.v1.ModelCapabilities", maxOutputTokens: 1 } });
      const response = await answer(attemptOf(chatRequest("one two"), { streamed, target }));
      expect(response.choices[0]).toMatchObject({ finishReason: FinishReason.LENGTH, message: { text: "one" } });
    });

    test("a stop sequence ends the text before it", async () => {
      const request = chatRequest("one two three", { sampling: { stop: ["three", "two", "tw"] } });
      const response = await answer(attemptOf(request, { streamed }));
      expect(response.choices[0]).toMatchObject({ finishReason: FinishReason.STOP, stopSequence: "two", message: { text: "one " } });
    });

    test("several choices are several answers", async () => {
      const response = await answer(attemptOf(chatRequest("one two", { n: 3 }), { streamed }));
      expect(response.choices.map(({ index, message }) => [index, message?.text])).toEqual([
        [0, "one two"],
        [1, "one two"],
        [2, "one two"],
      ]);
      expect(response.usage?.outputTokens).toBe(6);
    });

    test("a forced tool is called with arguments of its schema", async () => {
      const request = chatRequest("x", { tools: [weather], toolChoice: { mode: ToolChoice_Mode.REQUIRED } });
      const response = await answer(attemptOf(request, { streamed }));
      const id = "call_01936d9e0000700080000000000000000";
      expect(response.choices).toMatchObject([
        {
          finishReason: FinishReason.TOOL_CALLS,
          nativeFinishReason: "tool_calls",
          message: { text: "", content: [{ part: { case: "toolCall", value: { id, name: "weather", argumentsJson: '{"city":"x"}' } } }] },
        },
      ]);
    });

    test("of several tools the allowed one is called; a custom one gets the user's words", async () => {
      const request = chatRequest("find me", {
        tools: [weather, grep],
        toolChoice: { mode: ToolChoice_Mode.REQUIRED, allowedNames: ["grep"] },
      });
      const response = await answer(attemptOf(request, { streamed }));
      expect(response.choices[0]?.message?.content[0]?.part).toMatchObject({
        case: "toolCall",
        value: { name: "grep", custom: true, argumentsJson: "find me" },
      });
    });

    test("a schema for the output is kept", async () => {
      const jsonSchema = '{"type":"object","required":["ok"],"properties":{"ok":{"type":"boolean"}}}';
      const request = chatRequest("x", { outputFormat: { format: { case: "jsonSchema", value: { name: "s", jsonSchema } } } });
      expect((await answer(attemptOf(request, { streamed }))).choices[0]?.message?.text).toBe('{"ok":false}');
    });

    test("any JSON object will do where one is asked for", async () => {
      const request = chatRequest("x", { outputFormat: { format: { case: "jsonObject", value: {} } } });
      expect((await answer(attemptOf(request, { streamed }))).choices[0]?.message?.text).toBe("{}");
    });
  });
}

test("tools that may be called, or may not, are not called", async () => {
  for (const mode of [ToolChoice_Mode.AUTO, ToolChoice_Mode.NONE, ToolChoice_Mode.UNSPECIFIED]) {
    const response = await answer(attemptOf(chatRequest("hello", { tools: [weather], toolChoice: { mode } })));
    expect(response.choices[0]).toMatchObject({ finishReason: FinishReason.STOP, message: { text: "hello" } });
  }
});

test("tool call ids of one answer differ, and fit into forty characters", async () => {
  const response = await answer(attemptOf(chatRequest("x", { n: 128, tools: [weather], toolChoice: { mode: ToolChoice_Mode.REQUIRED } })));
  const ids = response.choices.map(({ message }) =>
    message?.content[0]?.part.case === "toolCall" ? message.content[0].part.value.id : "",
  );
  expect(new Set(ids).size).toBe(128);
  expect(Math.max(...ids.map((id) => id.length))).toBeLessThanOrEqual(40);
});

test("the first token waits for its time, the others for theirs", async () => {
  const { clock, provider } = simulated({ firstTokenMs: 50, tokensPerSecond: 100, reply: { kind: "text", text: "a b c" } });
  const events = provider.chat(attemptOf(chatRequest("x")));
  await events.next();
  const first = events.next();
  await settled();
  clock.advance(49);
  expect(await Promise.race([first, settled().then(() => "waiting")])).toBe("waiting");
  clock.advance(1);
  expect(texts((await first).value)).toEqual(["a"]);
  const second = events.next();
  await settled();
  clock.advance(10);
  expect(texts((await second).value)).toEqual([" b"]);
});

test("what became due while nobody read leaves as one batch", async () => {
  const { clock, provider } = simulated({ firstTokenMs: 50, tokensPerSecond: 100, reply: { kind: "text", text: "a b c d" } });
  const events = provider.chat(attemptOf(chatRequest("x")));
  await events.next();
  const first = events.next();
  await settled();
  clock.advance(50);
  await first;
  clock.advance(25);
  expect(texts((await events.next()).value)).toEqual([" b", " c"]);
});

test("a whole answer takes the time of all its tokens", async () => {
  const { clock, provider } = simulated({ firstTokenMs: 50, tokensPerSecond: 100, reply: { kind: "tokens", count: 3 } });
  const events = provider.chat(attemptOf(chatRequest("x"), { streamed: false }));
  await events.next();
  const whole = events.next();
  await settled();
  clock.advance(69);
  expect(await Promise.race([whole, settled().then(() => "waiting")])).toBe("waiting");
  clock.advance(1);
  expect((await whole).value).toMatchObject([{ case: "whole" }]);
});

test("leaving the iteration leaves no timer", async () => {
  const { clock, provider } = simulated({ tokensPerSecond: 1, reply: { kind: "tokens", count: 9 } });
  const events = provider.chat(attemptOf(chatRequest("x")));
  await events.next();
  await events.next();
  await events.return?.();
  expect(clock.pending()).toBe(0);
  expect(await events.next()).toEqual({ done: true, value: undefined });
});

test("a probe lists the models, unless it was called off", async () => {
  const { provider } = simulated();
  expect(await provider.probing?.probe(new AbortController().signal)).toEqual(["sim-chat", "sim-embed"]);
  await expect(provider.probing?.probe(AbortSignal.abort(new ChatError("TIMEOUT", "late")))).rejects.toThrow("late");
});
