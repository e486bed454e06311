import { describe, expect, test } from "vitest";
import { Role } from "../../../src/core/chat.ts";
import { cohere } from "../../../src/dialects/cohere/upstream.ts";
import {
  assistant,
  call,
  document,
  encode,
  image,
  type MessageInit,
  type PartInit,
  result,
  system,
  target,
  text,
  thrownBy,
  tool,
  user,
} from "./support.ts";

const messagesOf = (...messages: MessageInit[]) => encode({ messages }).body["messages"];
const notesOf = (...messages: MessageInit[]) => encode({ messages }).notes;
const reasoning = (value: string, issuer?: string): PartInit => ({
  part: { case: "reasoning", value: { text: value, opaque: issuer === undefined ? [] : [{ issuer, kind: "signature", value: "s" }] } },
});

describe("a conversation", () => {
  test("keeps its order, its instructions where they are, and neighbours of one role apart", () => {
    expect(messagesOf(system(text("A")), system(text("B")), user(text("1")), user(text("2")), system(text("C")), user(text("3")))).toEqual([
      { role: "system", content: "A" },
      { role: "system", content: "B" },
      { role: "user", content: "1" },
      { role: "user", content: "2" },
      { role: "system", content: "C" },
      { role: "user", content: "3" },
    ]);
  });

  test("leaves out what says nothing", () => {
    expect(messagesOf(user(text("")), assistant(text("")), user(text("1"), text("")))).toEqual([{ role: "user", content: "1" }]);
  });

  test("has no names of participants", () => {
    expect(notesOf({ role: Role.USER, text: "a", name: "Ann" }, { role: Role.USER, text: "b", name: "Bob" })).toEqual([
      "DROPPED messages[0].name",
    ]);
  });

  test("keeps Cohere's own fields of messages and parts, below what it says itself", () => {
    const part = { ...text("a"), extensionsJson: { cohere: '{"mark":1,"type":"x"}', openai: "{}" } };
    const message = { role: Role.USER, content: [part, text("b")], extensionsJson: { cohere: '{"mood":"good","role":"x"}' } };
    expect(messagesOf(message)).toEqual([
      {
        mood: "good",
        role: "user",
        content: [
          { mark: 1, type: "text", text: "a" },
          { type: "text", text: "b" },
        ],
      },
    ]);
  });

  test.each<{ what: string; messages: readonly MessageInit[] }>([
    { what: "instructions only", messages: [system(text("A"))] },
    { what: "nothing at all", messages: [user(text(""))] },
    { what: "an answer to go on with", messages: [user(text("1")), assistant(text("2"))] },
    { what: "a picture in its instructions", messages: [system(image("https://example.com/a.png")), user(text("1"))] },
  ])("of $what is another target's", ({ messages }) => {
    expect(thrownBy(() => messagesOf(...messages)).failure).toBe("UNSUPPORTED_FEATURE");
  });

  test("with a call or a result in the wrong place is the caller's mistake", () => {
    expect(thrownBy(() => messagesOf(user(call("a")))).failure).toBe("INVALID_REQUEST");
    expect(thrownBy(() => messagesOf(user(text("1")), assistant(result("a", text("x"))), user(text("2")))).failure).toBe("INVALID_REQUEST");
  });
});

describe("an earlier answer", () => {
  const answered = (...parts: PartInit[]) => {
    const encoded = encode({ messages: [user(text("q")), assistant(...parts), user(text("go on"))] });
    return { message: Array.isArray(encoded.body["messages"]) ? encoded.body["messages"][1] : undefined, notes: encoded.notes };
  };

  test("of text is text, refusals as well", () => {
    expect(answered(text("a")).message).toEqual({ role: "assistant", content: "a" });
    const refusal: PartInit = { part: { case: "refusal", value: { text: "no" } } };
    expect(answered(text("a"), refusal).message).toEqual({
      role: "assistant",
      content: [
        { type: "text", text: "a" },
        { type: "text", text: "no" },
      ],
    });
  });

  test("with calls has its words as their plan", () => {
    expect(answered(text("I will look."), call("a", '{"x": 12345678901234567890}'), call("b", "")).message).toEqual({
      role: "assistant",
      tool_plan: "I will look.",
      tool_calls: [
        { id: "a", type: "function", function: { name: "f", arguments: '{"x": 12345678901234567890}' } },
        { id: "b", type: "function", function: { name: "f", arguments: "{}" } },
      ],
    });
    expect(answered(call("a")).message).toMatchObject({ role: "assistant", tool_calls: [{}] });
    expect(answered(call("a")).message).not.toHaveProperty("content");
  });

  test("keeps Cohere's thoughts, also beside calls, and no other vendor's", () => {
    expect(answered(reasoning("hm"), text("a")).message).toMatchObject({
      content: [{ type: "thinking", thinking: "hm" }, { type: "text" }],
    });
    expect(answered(reasoning("hm"), call("a")).message).toMatchObject({
      content: [{ type: "thinking", thinking: "hm" }],
      tool_calls: [{}],
    });
    const foreign = answered(reasoning("hm", "anthropic"), text("a"));
    expect(foreign).toEqual({ message: { role: "assistant", content: "a" }, notes: ["DROPPED messages[1].content[0].reasoning"] });
  });

  test("has no thoughts for a model that does not think", () => {
    const messages = [user(text("q")), assistant(reasoning("hm"), text("a")), user(text("go on"))];
    expect(encode({ messages }, target({ reasoning: false })).notes).toEqual(["DROPPED messages[1].content[0].reasoning"]);
  });

  test("loses the tokens that another vendor bound to it", () => {
    const signed: PartInit = {
      part: { case: "toolCall", value: { id: "a", name: "f", argumentsJson: "{}" } },
      opaque: [{ issuer: "google", kind: "thought_signature", value: "sealed" }],
    };
    const encoded = encode({ messages: [user(text("q")), assistant(signed), tool(result("a", text("1")))] });
    expect(encoded.notes).toEqual(["DROPPED messages[1].content[0].opaque"]);
    expect(encoded.text).not.toContain("sealed");
  });

  test("of a free-form call wraps its input", () => {
    expect(answered(call("a", "line 1\nline 2", "patch", true)).message).toMatchObject({
      tool_calls: [{ function: { name: "patch", arguments: '{"input":"line 1\\nline 2"}' } }],
    });
  });

  test("of another tool's name spells it as the tool's own definition does", () => {
    const encoded = encode({
      messages: [user(text("q")), assistant(call("a", "{}", "my-tool")), tool(result("a", text("x")))],
      tools: [{ kind: { case: "function", value: { name: "my-tool" } } }],
    });
    const wire = [...(encoded.answering?.toolNames?.keys() ?? [])][0] ?? "";
    expect(encoded.text.split(`"name":"${wire}"`)).toHaveLength(3);
  });

  test.each<{ what: string; part: PartInit; notes: readonly string[] }>([
    { what: "a block of Cohere's", part: { part: { case: "native", value: { issuer: "cohere", json: '{"type":"x"}' } } }, notes: [] },
    {
      what: "a block of another vendor's",
      part: { part: { case: "native", value: { issuer: "openai", json: "{}" } } },
      notes: ["DROPPED messages[1].content[1].native"],
    },
    { what: "a picture", part: image("https://example.com/a.png"), notes: ["DROPPED messages[1].content[1].image"] },
    {
      what: "a tool that ran elsewhere",
      part: { part: { case: "serverTool", value: { issuer: "anthropic" } } },
      notes: ["DROPPED messages[1].content[1].server_tool"],
    },
    { what: "sound with words", part: { part: { case: "audio", value: { transcript: "b" } } }, notes: [] },
    { what: "sound without words", part: { part: { case: "audio", value: {} } }, notes: ["DROPPED messages[1].content[1].audio"] },
  ])("with $what is told so", ({ part, notes }) => expect(answered(text("a"), part).notes).toEqual(notes));
});

describe("results", () => {
  const asked = [user(text("q")), assistant(call("a"), call("b"))];
  const results = (...messages: MessageInit[]) => messagesOf(...asked, ...messages);

  test("are a message each, in their order, whoever brings them", () => {
    const expected = [{}, {}, { role: "tool", tool_call_id: "b", content: "2" }, { role: "tool", tool_call_id: "a", content: "1" }];
    expect(results(tool(result("b", text("2"))), tool(result("a", text("1"))))).toMatchObject(expected);
    expect(results(user(result("b", text("2")), result("a", text("1"))))).toMatchObject(expected);
  });

  test("of several texts and documents keep them apart", () => {
    expect(results(tool(result("a", text("1"), document("D", { title: "T" }))))).toMatchObject([
      {},
      {},
      {
        role: "tool",
        content: [
          { type: "text", text: "1" },
          { type: "document", document: { data: { title: "T", text: "D" } } },
        ],
      },
    ]);
  });

  test("with pictures are followed by them, after the last result of the turn's message", () => {
    expect(results(user(result("a", image("https://example.com/a.png")), result("b", text("2")), text("so?")))).toMatchObject([
      {},
      {},
      { role: "tool", tool_call_id: "a", content: "See the attachment below." },
      { role: "tool", tool_call_id: "b", content: "2" },
      { role: "user", content: [{ type: "image_url" }, { type: "text", text: "so?" }] },
    ]);
  });

  test("that are errors say so", () => {
    const failed = (...content: PartInit[]): PartInit => ({
      part: { case: "toolResult", value: { toolCallId: "a", isError: true, content } },
    });
    expect(results(tool(failed(text("boom"))))).toMatchObject([{}, {}, { content: "Error: boom" }]);
    expect(results(tool(failed(document("D"))))).toMatchObject([
      {},
      {},
      { content: [{ type: "text", text: "Error:" }, { type: "document" }] },
    ]);
  });

  test("that are empty are null, with a note", () => {
    expect(results(tool(result("a")))).toMatchObject([{}, {}, { content: "null" }]);
    expect(notesOf(...asked, tool(result("a")))).toEqual(["APPROXIMATED messages[2].content[0].tool_result"]);
  });
});

test("a longer conversation begins with the bytes of the shorter one", () => {
  const turns: MessageInit[] = [
    system(text("Be brief.")),
    user(text("q"), document("D"), image("https://example.com/a.png")),
    assistant(reasoning("hm"), text("I will look."), call("a", "{}", "my-tool"), call("b")),
    tool(result("a", text("1"), image("https://example.com/b.png"))),
    tool(result("b")),
    assistant(text("so")),
    user(text("and?"), document("E")),
  ];
  for (const end of [2, 5, 7]) {
    const shorter = encode({ messages: turns.slice(0, end) }).body["messages"];
    const longer = encode({ messages: [...turns, user(text("more"))] }).body["messages"];
    const [short, long] = [JSON.stringify(shorter).slice(0, -1), JSON.stringify(longer)];
    // A result's picture waits for the last result; nothing else depends on what follows.
    expect(long.startsWith(short)).toBe(true);
  }
});

test("what came with results of several messages waits for the last of them", () => {
  const { body } = encode({
    messages: [
      user(text("q")),
      assistant(call("a"), call("b")),
      tool(result("a", text("1"), image("https://example.com/b.png"))),
      tool(result("b", text("2"))),
      user(text("so?")),
    ],
  });
  expect(body["messages"]).toMatchObject([
    { role: "user" },
    { role: "assistant" },
    { role: "tool", tool_call_id: "a" },
    { role: "tool", tool_call_id: "b" },
    { role: "user", content: [{ type: "image_url" }] },
    { role: "user", content: "so?" },
  ]);
});

test("what Cohere answered goes back as it came", () => {
  const message = {
    role: "assistant",
    content: [{ type: "thinking", thinking: "I need the weather." }],
    tool_plan: "I will look.",
    tool_calls: [{ id: "w1", type: "function", function: { name: "get_weather", arguments: '{"city": "Rome"}' } }],
  };
  const [choice] = cohere.decodeResponse({ id: "x", finish_reason: "TOOL_CALL", message }, {}).choices;
  const back = encode({ messages: [user(text("q")), choice?.message ?? {}, tool(result("w1", text("21")))] }).body["messages"];
  expect(back).toEqual([{ role: "user", content: "q" }, message, { role: "tool", tool_call_id: "w1", content: "21" }]);
});
