import type { MessageInitShape } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { describe, expect, test } from "vitest";
import type { KeyId } from "../../src/core/call.ts";
import { MessageSchema } from "../../gen/semaroute/v1/chat_pb.ts";
import { type CallRequest, type ChatRequest, ChatRequestSchema, Role } from "../../src/core/chat.ts";
import { questionOf } from "../../src/stages/similar-question.ts";
import { chatRequest, embedRequest } from "../support/attempt.ts";
import { changesOf } from "./changes.ts";
import { callOf } from "./support.ts";

const part = (text: string) => ({ part: { case: "text" as const, value: { text } } });
const talk = (last: string, more: MessageInitShape<typeof ChatRequestSchema> = {}): ChatRequest =>
  chatRequest("", {
    messages: [
      { role: Role.SYSTEM, content: [part("be brief")] },
      { role: Role.USER, content: [part("hello")] },
      { role: Role.ASSISTANT, content: [part("hello to you")] },
      { role: Role.USER, content: [part(last)] },
    ],
    ...more,
  });
const hashOf = (request: CallRequest) => questionOf(callOf(request))?.partition.requestHash;
const lastOf = (request: ChatRequest) => {
  const last = request.messages.at(-1);
  if (last === undefined) throw new Error("no message");
  return last;
};

test("only the last question's text may differ", () => {
  expect(questionOf(callOf(talk("who are you?")))?.text).toBe("who are you?");
  expect(hashOf(talk("who are you?"))).toBe(hashOf(talk("tell me who you are")));
  expect(hashOf(talk("who are you?"))).toMatch(/^[\w-]{43}$/);
});

test("each change of any other field, from the proto, gives another partition, or none at all", () => {
  const base = hashOf(talk("hi"));
  const same: string[] = [];
  for (const { path, apply } of changesOf(ChatRequestSchema)) {
    const request = talk("hi");
    // Behind the last message everything is another conversation; what lies within it is changed below.
    apply(reflect(ChatRequestSchema, request));
    if (hashOf(request) === base) same.push(path);
  }
  const silent = ["metadata", "routing", "routing.cache", "routing.first_token_timeout", "routing.tags"];
  expect(same.filter((path) => !path.startsWith("routing.first_token_timeout.")).toSorted()).toEqual(silent);
});

test("likewise within the last message, but for its text", () => {
  const base = hashOf(talk("hi"));
  const same: string[] = [];
  for (const { path, apply } of changesOf(MessageSchema)) {
    const request = talk("hi");
    apply(reflect(MessageSchema, lastOf(request)));
    if (hashOf(request) === base) same.push(path);
  }
  expect(same).toEqual(["text"]);
});

test.for<[string, (request: ChatRequest) => void]>([
  ["the system's words", ({ messages: [first] }) => void (first && (first.text = "be long"))],
  ["an earlier question", ({ messages: [, second] }) => void (second && (second.text = "good day"))],
  ["an earlier answer", ({ messages: [, , third] }) => void (third && (third.text = "and to you"))],
])("%s are part of the partition", ([, change]) => {
  const request = talk("hi");
  change(request);
  expect(hashOf(request)).toBeDefined();
  expect(hashOf(request)).not.toBe(hashOf(talk("hi")));
});

test("another tenant has another partition, whatever its hash", () => {
  const call = callOf(talk("hi"));
  expect(questionOf({ ...call, key: { ...call.key, id: "cfg_b" as KeyId } })?.partition.tenant).toBe("cfg_b");
});

test("numbers are part of the partition, in any script and in their order", () => {
  expect(hashOf(talk("12 and 13"))).toBe(hashOf(talk("what are 12, 13?")));
  expect(new Set(["12 and 13", "13 and 12", "1 and 213", "١٢ and 13", "and"].map((text) => hashOf(talk(text)))).size).toBe(5);
});

describe("nothing but text is compared:", () => {
  test.for<[string, CallRequest]>([
    ["embeddings", embedRequest(["hi"])],
    ["no message", chatRequest("", { messages: [] })],
    ["no text", talk("  ")],
    ["a long text", talk("x".repeat(4001))],
    ["an answer at the end", talk("hi", { messages: [{ role: Role.ASSISTANT, text: "and then" }] })],
    ["a tool", talk("hi", { tools: [{ kind: { case: "function", value: { name: "f" } } }] })],
    ["a choice of tools", talk("hi", { toolChoice: {} })],
    ["several answers", talk("hi", { n: 2 })],
    ["sound in the answer", talk("hi", { modalities: ["text", "audio"] })],
    ["fields of a dialect", talk("hi", { extensionsJson: { openai: "{}" } })],
    ["an image", talk("", { messages: [{ role: Role.USER, text: "hi", content: [{ part: { case: "image", value: {} } }] }] })],
    [
      "an image before",
      talk("", {
        messages: [
          { role: Role.USER, content: [{ part: { case: "image", value: {} } }] },
          { role: Role.USER, text: "hi" },
        ],
      }),
    ],
    [
      "a tool's result",
      talk("", {
        messages: [
          { role: Role.TOOL, content: [part("x")] },
          { role: Role.USER, text: "hi" },
        ],
      }),
    ],
    [
      "a call of a tool",
      talk("", {
        messages: [
          { role: Role.ASSISTANT, content: [{ part: { case: "toolCall", value: {} } }] },
          { role: Role.USER, text: "hi" },
        ],
      }),
    ],
  ])("%s", ([, request]) => expect(questionOf(callOf(request))).toBeUndefined());

  test("fields that we do not know, wherever they are", () => {
    const unknown = [{ no: 999, wireType: 0, data: new Uint8Array([1]) }];
    const changes: ((request: ChatRequest) => void)[] = [
      (request) => void (request.$unknown = unknown),
      (request) => void (lastOf(request).$unknown = unknown),
      (request) => lastOf(request).content.forEach((each) => (each.$unknown = unknown)),
    ];
    for (const change of changes) {
      const request = talk("hi");
      change(request);
      expect(questionOf(callOf(request))).toBeUndefined();
    }
  });
});

test("asking does not change the request", () => {
  const request = talk("hi 5");
  const copy = structuredClone(request);
  hashOf(request);
  expect(structuredClone(request)).toEqual(copy);
});
