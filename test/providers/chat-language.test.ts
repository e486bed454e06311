import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import type { AlternateUse } from "../../src/core/catalog.ts";
import { ChatRequestSchema, ReasoningEffort, Role } from "../../src/core/chat.ts";
import { ChatError } from "../../src/core/error.ts";
import { openaiChat } from "../../src/dialects/openai-chat/upstream.ts";
import { openaiResponses } from "../../src/dialects/openai-responses/upstream.ts";
import { languageFor } from "../../src/providers/chat-language.ts";
import { describeModel } from "../../src/providers/known-models.ts";
import { target } from "../dialects/openai-responses/support.ts";

type Init = MessageInitShape<typeof ChatRequestSchema>;

const alternate = { dialect: openaiResponses, chatPath: () => "/responses", extensions: "openai_responses" };
const both = { dialect: openaiChat, chatPath: () => "/chat/completions", alternate };

function pathFor(init: Init, use: AlternateUse | undefined, languages: Parameters<typeof languageFor>[0] = both): string {
  const request = create(ChatRequestSchema, { model: "m", messages: [{ role: Role.USER, text: "hi" }], ...init });
  const at = target(use === undefined ? {} : { alternate: use });
  return languageFor(languages, request, at).chatPath({ model: "m", streamed: false });
}

const tools = { tools: [{ kind: { case: "function", value: { name: "f" } } }] } satisfies Init;
const effort = (word: keyof typeof ReasoningEffort) => ({ reasoning: { effort: ReasoningEffort[word] } });

describe("a call is told in the second language", () => {
  const rows: readonly (readonly [string, Init, AlternateUse | undefined, boolean])[] = [
    ["where it says nothing special", {}, undefined, false],
    ["with tools and an effort", { ...tools, ...effort("HIGH") }, undefined, false],
    ["where the model is served in no other", {}, "always", true],
    ["without tools", effort("HIGH"), "tools", false],
    ["with tools", tools, "tools", true],
    ["with tools and an effort", { ...tools, ...effort("LOW") }, "tools", true],
    ["with tools and no effort", { ...tools, ...effort("NONE") }, "tools", false],
    ["with tools and no budget", { ...tools, reasoning: { budgetTokens: 0 } }, "tools", false],
    ["with tools", tools, "tools_with_effort", false],
    ["with tools and an effort", { ...tools, ...effort("LOW") }, "tools_with_effort", true],
    ["with tools and a budget", { ...tools, reasoning: { budgetTokens: 5000 } }, "tools_with_effort", true],
    ["with tools and no effort", { ...tools, ...effort("NONE") }, "tools_with_effort", false],
    ["where it came in it", { extensionsJson: { openai_responses: "{}" } }, undefined, true],
    ["with a tool of it", { tools: [{ kind: { case: "native", value: { issuer: "openai_responses", json: "{}" } } }] }, undefined, true],
    ["where it came in another", { extensionsJson: { openai: "{}", anthropic: "{}" } }, undefined, false],
  ];
  for (const [what, init, use, expected] of rows)
    test(`${what}, at a model that needs it ${use ?? "never"}: ${expected}`, () => {
      expect(pathFor(init, use)).toBe(expected ? "/responses" : "/chat/completions");
      expect(pathFor(init, use, { dialect: openaiChat, chatPath: () => "/only" })).toBe("/only");
    });
});

test("what a caller's own tool answered is not left out where it has no form", () => {
  const part = { part: { case: "native", value: { issuer: "openai_responses", json: '{"type":"local_shell_call_output"}' } } } as const;
  const init = { messages: [{ role: Role.TOOL, content: [part] }] } satisfies Init;
  const refused = (): string => pathFor(init, undefined, { dialect: openaiChat, chatPath: () => "/only" });
  expect(refused).toThrow(ChatError);
  expect(refused).toThrow(/cannot read a tool's result in the form of openai_responses/);
  expect(pathFor({ ...init, extensionsJson: { openai_responses: "{}" } }, undefined)).toBe("/responses");
});

describe("which models need it is data", () => {
  test.each<[string, AlternateUse | undefined]>([
    ["gpt-4o", undefined],
    ["gpt-5-mini", undefined],
    ["gpt-5.2", undefined],
    ["gpt-5.4", "tools_with_effort"],
    ["gpt-5.4-mini-2026-03-17", "tools_with_effort"],
    ["gpt-5.5", "tools"],
    ["gpt-5.6-sol", "tools"],
    ["gpt-6.1-terra", "tools"],
    ["gpt-5.5-chat-latest", undefined],
    ["gpt-5.4-pro", "always"],
    ["gpt-5.3-codex", "always"],
    ["o3-pro", "always"],
    ["o4-mini-deep-research", "always"],
    ["o3", undefined],
  ])("%s: %s", (id, use) => expect(describeModel("openai", id).alternate).toBe(use));

  test("and of hosts that have one language nothing is said", () => {
    expect(describeModel("openai_compatible", "gpt-5.5").alternate).toBeUndefined();
  });
});
