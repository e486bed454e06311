import { expect, test } from "vitest";
import { parseJson } from "../../../src/core/json.ts";
import { createFolder } from "../../../src/core/fold.ts";
import { isJsonObject } from "../../../src/dialects/anthropic-messages/fields.ts";
import { anthropicMessages } from "../../../src/dialects/anthropic-messages/upstream.ts";
import { messagesOf, text, user } from "./builders.ts";
import { decoded, encode, recorded, target } from "./support.ts";

const content = [
  { type: "thinking", thinking: "Hm.", signature: "sig" },
  { type: "redacted_thinking", data: "sealed" },
  { type: "server_tool_use", id: "srvtoolu_1", name: "web_search", input: { query: "llamas" } },
  { type: "web_search_tool_result", tool_use_id: "srvtoolu_1", content: [{ type: "web_search_result", encrypted_content: "x" }] },
  { type: "text", text: "Llamas hum.", citations: [{ type: "web_search_result_location", url: "u", encrypted_index: "e" }] },
  { type: "tool_use", id: "toolu_1", name: "f", input: { b: 1, a: { c: [] } }, caller: { type: "direct" } },
  { type: "tool_use", id: "toolu_2", name: "sh", input: { input: "ls\n" } },
];

test("an answer sent back as history says what the model said", () => {
  const body = { type: "message", role: "assistant", model: "m", content, stop_reason: "tool_use" };
  const answer = anthropicMessages.decodeResponse(parseJson(JSON.stringify(body)), {}).choices[0]?.message;
  if (answer === undefined) throw new Error("no message");
  const encoded = encode({ messages: [user(text("q")), answer, user(text("go on"))] }, target("claude-opus-4-8"));
  expect(messagesOf(encoded)[1]).toEqual({ role: "assistant", content });
  expect(encoded.notes).toEqual([]);
});

test.each(["usage-cache", "parallel-tools", "reasoning", "search"])(
  "a streamed answer of %s sent back as history is the same as a whole one",
  (name) => {
    const folder = createFolder();
    for (const event of decoded(recorded(name))) folder.push(event);
    const answer = folder.response().choices[0]?.message;
    if (answer === undefined) throw new Error("no message");
    const message = messagesOf(encode({ messages: [user(text("q")), answer, user(text("go on"))] }))[1];
    const sent = isJsonObject(message) ? message["content"] : undefined;
    const again = anthropicMessages.decodeResponse({ content: sent, stop_reason: "end_turn" }, {}).choices[0]?.message;
    // The wire's JSON is compact, whatever spaces the model wrote.
    expect(JSON.stringify(again?.content).replaceAll(/\\n|\s/g, "")).toBe(JSON.stringify(answer.content).replaceAll(/\\n|\s/g, ""));
  },
);
