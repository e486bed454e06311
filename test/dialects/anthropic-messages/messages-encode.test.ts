import { describe, expect, test } from "vitest";
import { Role } from "../../../src/core/chat.ts";
import { assistant, blocks, call, type MessageInit, messagesOf, type PartInit, result, system, text, tool, user } from "./builders.ts";
import { encode, target, thrownBy } from "./support.ts";

const reasoning = (issuer: string, kind: string): PartInit => ({
  part: { case: "reasoning", value: { text: "Hm.", opaque: [{ issuer, kind, value: "sealed" }] } },
});
const nativeOf = (issuer: string): PartInit => ({
  part: { case: "native", value: { issuer, json: `{"type":"search_result","rank":9007199254740993}` } },
});

describe("instructions", () => {
  test("at the start are joined, developer's too", () => {
    const messages = [{ role: Role.SYSTEM, text: "One." }, { role: Role.SYSTEM, text: "Two.", developer: true }, user(text("Hi"))];
    expect(encode({ messages }).body).toMatchObject({ system: "One.\n\nTwo.", messages: [{ role: "user" }] });
  });

  test("with a breakpoint stay blocks", () => {
    const messages = [system(text("One."), { ...text("Two."), cacheControl: { ttl: { seconds: 3600n, nanos: 0 } } }), user(text("Hi"))];
    expect(encode({ messages }).body["system"]).toEqual([
      { type: "text", text: "One." },
      { type: "text", text: "Two.", cache_control: { type: "ephemeral", ttl: "1h" } },
    ]);
  });

  test("later become user text in place, and are noted", () => {
    const encoded = encode({ messages: [user(text("Hi")), { role: Role.SYSTEM, text: "Be brief." }] });
    expect(messagesOf(encoded)).toEqual([
      {
        role: "user",
        content: [
          { type: "text", text: "Hi" },
          { type: "text", text: "<system>\nBe brief.\n</system>" },
        ],
      },
    ]);
    expect(encoded.notes).toEqual(["APPROXIMATED messages[1]"]);
  });

  test("later are messages of their own role where the model has it, behind the user's turn only", () => {
    const messages = [
      user(text("Hi")),
      system(text("Be brief.")),
      system(text("And kind.")),
      assistant(text("Hm")),
      system(text("Go on.")),
      user(text("So?")),
    ];
    const encoded = encode({ messages }, target("claude-opus-4-8"));
    const said = (...texts: string[]) => texts.map((each) => ({ type: "text", text: each }));
    expect(messagesOf(encoded)).toEqual([
      { role: "user", content: said("Hi") },
      { role: "system", content: said("Be brief.", "And kind.") },
      { role: "assistant", content: said("Hm") },
      { role: "user", content: said("<system>\nGo on.\n</system>", "So?") },
    ]);
    expect(encoded.notes).toEqual(["APPROXIMATED messages[4]"]);
  });

  test("of several blocks stay apart", () => {
    expect(encode({ messages: [system(text("One."), text("Two.")), user(text("Hi"))] }).body["system"]).toEqual([
      { type: "text", text: "One." },
      { type: "text", text: "Two." },
    ]);
  });

  test("alone are refused", () => {
    expect(thrownBy(() => encode({ messages: [system(text("One."))] }))).toMatchObject({
      failure: "UNSUPPORTED_FEATURE",
      field: "messages",
    });
  });
});

describe("messages", () => {
  test("of one role become one, and empty ones none", () => {
    const messages = [user(text("a")), user(text("")), { role: Role.USER, text: "b" }, assistant(text("")), user(text("c"))];
    expect(messagesOf(encode({ messages }))).toEqual([
      {
        role: "user",
        content: [
          { type: "text", text: "a" },
          { type: "text", text: "b" },
          { type: "text", text: "c" },
        ],
      },
    ]);
  });

  test("of tools come first in one user message, in the order of the calls", () => {
    const messages = [
      user(text("q")),
      assistant(text("Looking."), call("a"), call("b")),
      user(text("and?")),
      tool(result("b")),
      tool({ part: { case: "toolResult", value: { toolCallId: "a", content: [text("")], isError: true } } }),
    ];
    expect(messagesOf(encode({ messages })).slice(1)).toEqual([
      {
        role: "assistant",
        content: [
          { type: "text", text: "Looking." },
          { type: "tool_use", id: "a", name: "f", input: {} },
          { type: "tool_use", id: "b", name: "f", input: {} },
        ],
      },
      {
        role: "user",
        content: [
          { type: "tool_result", tool_use_id: "a", is_error: true },
          { type: "tool_result", tool_use_id: "b", content: [{ type: "text", text: "ok" }] },
          { type: "text", text: "and?" },
        ],
      },
    ]);
  });

  test("of the assistant count their text once", () => {
    const messages = [user(text("q")), { role: Role.ASSISTANT, text: "A", content: [text("A")] }, user(text("r"))];
    expect(messagesOf(encode({ messages }))[1]).toEqual({ role: "assistant", content: [{ type: "text", text: "A" }] });
  });

  test("with a name lose it with a note", () => {
    expect(encode({ messages: [{ role: Role.USER, text: "Hi", name: "Ann" }] }).notes).toEqual(["DROPPED messages[0].name"]);
  });

  test("of the assistant at the end are refused by new models and trimmed for old ones", () => {
    const messages = [user(text("q")), assistant(text("{ "))];
    expect(thrownBy(() => encode({ messages }, target("claude-opus-4-6")))).toMatchObject({
      failure: "UNSUPPORTED_FEATURE",
      field: "messages",
    });
    expect(messagesOf(encode({ messages }))[1]).toEqual({ role: "assistant", content: [{ type: "text", text: "{" }] });
  });

  test("of a paused turn may end the conversation on every model", () => {
    const paused: PartInit = {
      part: { case: "native", value: { issuer: "anthropic", json: `{"type":"server_tool_use","id":"s","name":"n","input":{}}` } },
    };
    const messages = [user(text("q")), assistant(paused, text("Searching"))];
    expect(messagesOf(encode({ messages }, target("claude-opus-5")))).toHaveLength(2);
  });
});

describe("tool calls", () => {
  test.each([
    { argumentsJson: `{"b":1,"a":[2]}`, input: `{"b":1,"a":[2]}` },
    { argumentsJson: `{"id":9007199254740993}`, input: `{"id":9007199254740993}` },
    { argumentsJson: "", input: "{}" },
    { argumentsJson: " null ", input: "{}" },
    { argumentsJson: `{"a":`, input: `{"_raw":"{\\"a\\":"}` },
    { argumentsJson: "[1]", input: `{"_raw":"[1]"}` },
    // Keys that mean different things to different readers are not sent on as JSON, but nothing is lost.
    { argumentsJson: `{"__proto__":{"x":1}}`, input: `{"_raw":"{\\"__proto__\\":{\\"x\\":1}}"}` },
    { argumentsJson: `{"a":1,"a":2}`, input: `{"_raw":"{\\"a\\":1,\\"a\\":2}"}` },
  ])("with the arguments $argumentsJson have the input $input", ({ argumentsJson, input }) => {
    const encoded = encode({ messages: [user(text("q")), assistant(call("a", argumentsJson)), tool(result("a"))] });
    expect(encoded.text).toContain(`"input":${input}`);
    expect(encoded.notes.length).toBe(input.includes("_raw") ? 1 : 0);
  });

  test("of other vendors get legal ids, in call and result alike and every time the same", () => {
    const messages = [user(text("q")), assistant(call("call:1/ä"), call("call:2/ä")), tool(result("call:1/ä"), result("call:2/ä"))];
    const ids = [...encode({ messages }).text.matchAll(/"(?:tool_use_)?id":"([^"]*)"/g)].map((match) => match[1]);
    expect(ids).toEqual([ids[0], ids[1], ids[0], ids[1]]);
    expect(ids[0]).toMatch(/^toolu_[0-9a-f]{16}$/);
    expect(ids[1]).not.toBe(ids[0]);
  });

  test("with free-form input travel as functions", () => {
    const part: PartInit = { part: { case: "toolCall", value: { id: "a", name: "sh", argumentsJson: "ls", custom: true } } };
    expect(blocks([part], "assistant")).toEqual([{ type: "tool_use", id: "a", name: "sh", input: { input: "ls" } }]);
  });

  test.each([
    { what: "a call of the user", messages: [user(call("a"))] },
    { what: "a result of the assistant", messages: [user(text("q")), assistant(result("a"))] },
    { what: "a call in a result", messages: [tool({ part: { case: "toolResult", value: { toolCallId: "a", content: [call("b")] } } })] },
    { what: "an empty part", messages: [user({})] },
  ])("$what is refused", ({ messages }) => {
    expect(thrownBy(() => encode({ messages })).failure).toBe("INVALID_REQUEST");
  });
});

describe("reasoning", () => {
  test("that anthropic signed is replayed as it was", () => {
    expect(blocks([reasoning("anthropic", "signature"), reasoning("anthropic", "redacted_thinking"), text("A")], "assistant")).toEqual([
      { type: "thinking", thinking: "Hm.", signature: "sealed" },
      { type: "redacted_thinking", data: "sealed" },
      { type: "text", text: "A" },
    ]);
  });

  test("of others is dropped, with one note for all of it", () => {
    const messages = [
      user(text("q")),
      assistant(reasoning("openai", "encrypted_content"), reasoning("google", "signature"), text("A")),
      user(text("r")),
    ];
    const encoded = encode({ messages });
    expect(encoded.text).not.toContain("sealed");
    expect(encoded.notes).toEqual(["DROPPED messages[1].content[0].reasoning"]);
  });
});

describe("other blocks", () => {
  test("of anthropic are spliced in, of others dropped", () => {
    const encoded = encode({ messages: [user(text("q"), nativeOf("anthropic"), nativeOf("google"))] });
    expect(encoded.text).toContain(`{"type":"search_result","rank":9007199254740993}]`);
    expect(encoded.notes).toEqual(["DROPPED messages[0].content[2].native"]);
  });

  test("that are no JSON object are refused with their path", () => {
    const native: PartInit = { part: { case: "native", value: { issuer: "anthropic", json: `[]` } } };
    expect(thrownBy(() => encode({ messages: [user(native)] }))).toMatchObject({
      failure: "INVALID_REQUEST",
      field: "messages[0].content[0].native.json",
    });
  });

  test("of server tools carry call and result", () => {
    const value = {
      id: "s",
      name: "web_search",
      inputJson: `{"query":"q"}`,
      outputJson: `{"type":"web_search_tool_result","tool_use_id":"s"}`,
    };
    const part = (issuer: string): PartInit => ({ part: { case: "serverTool", value: { ...value, issuer } } });
    expect(blocks([part("anthropic"), part("google")], "assistant")).toEqual([
      { type: "server_tool_use", id: "s", name: "web_search", input: { query: "q" } },
      { type: "web_search_tool_result", tool_use_id: "s" },
    ]);
  });
});

test("a longer conversation begins with the bytes of the shorter one", () => {
  const signed: PartInit = {
    part: { case: "reasoning", value: { text: "Hm.", opaque: [{ issuer: "anthropic", kind: "signature", value: "sig" }] } },
  };
  const turns: MessageInit[][] = [
    [system(text("Be kind.")), user(text("q1"))],
    [
      assistant(signed, text("a1"), call("call:1", `{"b":1,"a":9007199254740993}`), call("c2", "broken")),
      tool(result("c2")),
      tool(result("call:1")),
    ],
    [assistant(text("a2")), { role: Role.SYSTEM, text: "Be brief." }, user(text("q2"))],
    [assistant(call("c3", "")), tool(result("c3")), user(text("q3"))],
  ];
  const bodies = turns.map((_, k) => encode({ messages: turns.slice(0, k + 1).flat() }, target("claude-opus-4-8")));
  for (const [k, shorter] of bodies.entries()) {
    const longer = bodies[k + 1];
    if (longer === undefined) continue;
    // Up to the bracket that closes the messages, which are the last field.
    expect(longer.text.startsWith(shorter.text.slice(0, -2))).toBe(true);
    expect(longer.text.length).toBeGreaterThan(shorter.text.length);
  }
});
