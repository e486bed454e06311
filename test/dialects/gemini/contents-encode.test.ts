import { describe, expect, test } from "vitest";
import { Role } from "../../../src/core/chat.ts";
import { gemini } from "../../../src/dialects/gemini/upstream.ts";
import {
  assistant,
  call,
  chatRequest,
  encode,
  type MessageInit,
  models,
  type PartInit,
  result,
  signature,
  system,
  target,
  text,
  thrownBy,
  tool,
  user,
} from "./support.ts";

function contents(messages: MessageInit[], model?: string): unknown {
  return encode({ messages }, model).body["contents"];
}

describe("messages", () => {
  test("take the roles user and model, and neighbours of one role are one content", () => {
    expect(contents([user(text("a")), user(text("b")), assistant(text("c")), assistant(text("d")), user(text("e"))])).toEqual([
      { role: "user", parts: [{ text: "a" }, { text: "b" }] },
      { role: "model", parts: [{ text: "c" }, { text: "d" }] },
      { role: "user", parts: [{ text: "e" }] },
    ]);
  });

  test("of the system are instructions in front, and text in its place later on", () => {
    const { body, notes } = encode({ messages: [system(text("a")), system(text("b")), user(text("c")), system(text("d"))] });
    expect(body["systemInstruction"]).toEqual({ parts: [{ text: "a" }, { text: "b" }] });
    expect(body["contents"]).toEqual([{ role: "user", parts: [{ text: "c" }, { text: "<system>\nd\n</system>" }] }]);
    expect(notes).toEqual(["APPROXIMATED messages[3]"]);
  });

  test("that say nothing are left out", () => {
    expect(contents([user(text("a")), assistant(text("")), user(text("")), user(text("b"))])).toEqual([
      { role: "user", parts: [{ text: "a" }, { text: "b" }] },
    ]);
  });

  test("say their text once, however it is written", () => {
    const messages = [
      { role: Role.USER, text: "a", content: [text("b")] },
      { role: Role.ASSISTANT, text: "c", content: [text("c")] },
      { role: Role.USER, text: "d" },
    ];
    expect(contents(messages)).toEqual([
      { role: "user", parts: [{ text: "a" }, { text: "b" }] },
      { role: "model", parts: [{ text: "c" }] },
      { role: "user", parts: [{ text: "d" }] },
    ]);
  });

  test.each([{ messages: [] }, { messages: [system(text("a"))] }, { messages: [user(text(""))] }])(
    "must be more than instructions",
    ({ messages }) => {
      expect(thrownBy(() => encode({ messages }))).toMatchObject({ failure: "UNSUPPORTED_FEATURE", field: "messages" });
    },
  );

  test("may end with the model's where that is taken", () => {
    const messages = [user(text("a")), assistant(text("b"))];
    expect(encode({ messages }, models.second).notes).toEqual(["APPROXIMATED messages"]);
    expect(thrownBy(() => encode({ messages }, models.newest))).toMatchObject({ failure: "UNSUPPORTED_FEATURE", field: "messages" });
  });

  test("keep what only Google knows of them", () => {
    const extensionsJson = { google: `{"x":12345678901234567890}`, openai: `{"y":1}` };
    const { text: body } = encode({ messages: [{ ...user({ ...text("a"), extensionsJson }), extensionsJson: { google: `{"z":1}` } }] });
    expect(body).toContain(`"contents":[{"z":1,"role":"user","parts":[{"x":12345678901234567890,"text":"a"}]}]`);
  });
});

describe("calls and results", () => {
  const history = [user(text("q")), assistant(text("let me see"), call("a", "f", `{"n":12345678901234567890}`, "sig"), call("b", "g"))];

  test("go in the order of the calls, named by them, with their ids where there are ids", () => {
    const { text: body } = encode({ messages: [...history, tool(result("b", "B")), tool(result("a", "A")), user(text("go on"))] });
    expect(body).toContain(
      `{"role":"model","parts":[{"text":"let me see"},{"functionCall":{"id":"a","name":"f","args":{"n":12345678901234567890}},"thoughtSignature":"sig"},{"functionCall":{"id":"b","name":"g","args":{}}}]}`,
    );
    expect(body).toContain(
      `{"role":"user","parts":[{"functionResponse":{"id":"a","name":"f","response":{"output":"A"}}},{"functionResponse":{"id":"b","name":"g","response":{"output":"B"}}},{"text":"go on"}]}`,
    );
  });

  test("have no ids before the third generation", () => {
    expect(contents([...history.slice(0, 1), assistant(call("a")), tool(result("a", "A"))], models.second)).toEqual([
      { role: "user", parts: [{ text: "q" }] },
      { role: "model", parts: [{ functionCall: { name: "f", args: {} } }] },
      { role: "user", parts: [{ functionResponse: { name: "f", response: { output: "A" } } }] },
    ]);
  });

  test("tell errors as such, and JSON as the text it is", () => {
    expect(
      contents([user(text("q")), assistant(call("a"), call("b")), tool(result("a", "no", { isError: true }), result("b", `{"$ref":"x"}`))]),
    ).toMatchObject([
      {},
      {},
      { parts: [{ functionResponse: { response: { error: "no" } } }, { functionResponse: { response: { output: `{"$ref":"x"}` } } }] },
    ]);
  });

  test.each([
    {
      what: "a result without a call",
      messages: [user(text("q")), tool(result("x"))],
      field: "messages[1].content[0].tool_result.tool_call_id",
    },
    {
      what: "a named result without a call",
      messages: [user(text("q")), tool(result("x", "y", { name: "f" }))],
      field: "messages[1].content[0].tool_result.tool_call_id",
    },
    {
      what: "a result too many",
      messages: [user(text("q")), assistant(call("a")), tool(result("a"), result("a"))],
      field: "messages[2].content[1].tool_result.tool_call_id",
    },
    {
      what: "a call without a result",
      messages: [user(text("q")), assistant(call("a"), call("b")), tool(result("a"))],
      field: "messages[1].content[1]",
    },
    {
      what: "a call that is passed over",
      messages: [user(text("q")), assistant(call("a")), user(text("never mind"))],
      field: "messages[1].content[0]",
    },
    {
      what: "a result that is late",
      messages: [user(text("q")), assistant(call("a")), tool(result("a")), assistant(text("b")), tool(result("a"))],
      field: "messages[4].content[0].tool_result.tool_call_id",
    },
    { what: "a call of the user", messages: [user(call("a"))], field: "messages[0].content[0]" },
    { what: "a result of the assistant", messages: [user(text("q")), assistant(result("a"))], field: "messages[1].content[0]" },
    { what: "a call in the instructions", messages: [system(call("a")), user(text("q"))], field: "messages[0].content[0]" },
  ])("refuse $what", ({ messages, field }) => {
    expect(thrownBy(() => encode({ messages }))).toMatchObject({ failure: "INVALID_REQUEST", field });
  });

  test("of one id in one turn belong together in their order", () => {
    expect(contents([user(text("q")), assistant(call("a", "f"), call("a", "g")), tool(result("a", "1"), result("a", "2"))])).toMatchObject([
      {},
      {},
      {
        parts: [
          { functionResponse: { name: "f", response: { output: "1" } } },
          { functionResponse: { name: "g", response: { output: "2" } } },
        ],
      },
    ]);
  });

  test("with broken arguments keep the call", () => {
    const { body, notes } = encode({ messages: [user(text("q")), assistant(call("a", "f", "{bad")), tool(result("a"))] });
    expect(JSON.stringify(body)).toContain(`"args":{"_raw":"{bad"}`);
    expect(notes).toEqual(["APPROXIMATED messages[1].content[0].tool_call.arguments_json"]);
  });

  test("of free-form tools are wrapped, and their names are known in the answer", () => {
    const custom = { part: { case: "toolCall" as const, value: { id: "a", name: "patch", argumentsJson: "line", custom: true } } };
    const { text: body, answering } = encode({ messages: [user(text("q")), assistant(custom), tool(result("a"))] });
    expect(body).toContain(`"name":"patch","args":{"input":"line"}`);
    expect(answering).toEqual({ freeformTools: new Set(["patch"]) });
  });

  test("hold media where the model takes them there, else in front of what follows", () => {
    const png = {
      part: {
        case: "image" as const,
        value: { media: { source: { case: "data" as const, value: Uint8Array.of(0x89, 0x50, 0x4e, 0x47) } } },
      },
    };
    const seen = { part: { case: "toolResult" as const, value: { toolCallId: "a", content: [text("seen"), png] } } };
    const messages = [user(text("q")), assistant(call("a")), tool(seen)];
    const inlineData = { mimeType: "image/png", data: "iVBORw==" };
    expect(contents(messages)).toMatchObject([
      {},
      {},
      { parts: [{ functionResponse: { response: { output: "seen" }, parts: [{ inlineData }] } }] },
    ]);
    expect(contents(messages, models.second)).toMatchObject([
      {},
      {},
      { parts: [{ functionResponse: { response: { output: "seen" } } }, { inlineData }] },
    ]);
    expect(encode({ messages }, models.second).notes).toEqual(["APPROXIMATED messages[2].content[0].tool_result.content"]);
  });
});

describe("signatures", () => {
  const sentinel = "skip_thought_signature_validator";
  const signaturesOf = (messages: MessageInit[], model?: string): unknown[] => {
    const found: unknown[] = [];
    JSON.stringify(encode({ messages }, model).body["contents"], (key, value: unknown) => {
      if (key === "thoughtSignature") found.push(value);
      return value;
    });
    return found;
  };

  test("go back on the very part they came on: text, thoughts and calls", () => {
    const thought = { part: { case: "reasoning" as const, value: { text: "hm", opaque: [signature("s1")] } } };
    const messages = [
      user(text("q")),
      assistant(
        thought,
        text("a"),
        { ...text("b"), opaque: [signature("s2")] },
        { ...text(""), opaque: [signature("s3")] },
        call("a", "f", "{}", "s4"),
        call("b"),
      ),
      tool(result("a"), result("b")),
    ];
    expect(contents(messages)).toMatchObject([
      {},
      {
        parts: [
          { text: "hm", thought: true, thoughtSignature: "s1" },
          { text: "a" },
          { text: "b", thoughtSignature: "s2" },
          { text: "", thoughtSignature: "s3" },
          { functionCall: { id: "a" }, thoughtSignature: "s4" },
          { functionCall: { id: "b" } },
        ],
      },
      {},
    ]);
    expect(signaturesOf(messages)).toEqual(["s1", "s2", "s3", "s4"]);
  });

  test("that are missing are stood in for on the first call of each step", () => {
    const step = (id: string, signed?: string) => [
      assistant(call(`${id}1`, "f", "{}", signed), call(`${id}2`)),
      tool(result(`${id}1`), result(`${id}2`)),
    ];
    expect(signaturesOf([user(text("q")), ...step("a"), ...step("b", "real"), ...step("c")])).toEqual([sentinel, "real", sentinel]);
  });

  test("are not asked for before the third generation", () => {
    expect(signaturesOf([user(text("q")), assistant(call("a")), tool(result("a"))], models.second)).toEqual([]);
  });

  test("of others stay away, with a note", () => {
    const foreign: PartInit = {
      part: { case: "toolCall", value: { id: "a", name: "f", argumentsJson: "{}" } },
      opaque: [{ issuer: "openai", kind: "encrypted_content", value: "x" }],
    };
    const thinking = {
      part: { case: "reasoning" as const, value: { text: "hm", opaque: [{ issuer: "anthropic", kind: "signature", value: "x" }] } },
    };
    const messages = [user(text("q")), assistant(thinking, foreign), tool(result("a"))];
    expect(signaturesOf(messages)).toEqual([sentinel]);
    expect(encode({ messages }).notes).toEqual(["DROPPED messages[1].content[1].opaque", "DROPPED messages[1].content[0].reasoning"]);
  });
});

test("a longer conversation begins with the bytes of the shorter one", () => {
  const turns: MessageInit[] = [
    system(text("be brief")),
    user(text("q1")),
    assistant(text("let me see"), call("a", "f", `{"b":1,"a":2}`), call("b", "g")),
    tool(result("b", "B"), result("a", "A")),
    assistant({ part: { case: "reasoning", value: { text: "hm", opaque: [signature("s")] } } }, text("so")),
    user(text("q2")),
    assistant(call("c", "f", "{}", "sig")),
    tool(result("c")),
    assistant(text("done")),
    user(text("q3")),
  ];
  let before = "";
  for (const length of [2, 4, 6, 8, 10]) {
    const { body } = gemini.encodeRequest(chatRequest({ messages: turns.slice(0, length) }), target(models.third), {}, true);
    expect(body.startsWith(before)).toBe(true);
    before = body.slice(0, -"]}".length);
  }
  expect(gemini.encodeRequest(chatRequest({ messages: turns }), target(models.third), {}, true)).toEqual(
    gemini.encodeRequest(chatRequest({ messages: turns }), target(models.third), {}, false),
  );
});

test("what goes nowhere is told", () => {
  const messages = [
    { ...user({ ...text("q"), cacheControl: {} }), name: "ann" },
    assistant(
      { part: { case: "native", value: { issuer: "anthropic", json: "{}" } } },
      { part: { case: "serverTool", value: { id: "a", name: "search", issuer: "anthropic" } } },
      { part: { case: "video", value: { media: { source: { case: "url", value: "https://example.com/a.mp4" } } } } },
      text("a"),
    ),
    user(text("b")),
  ];
  expect(encode({ messages }).notes).toEqual([
    "DROPPED messages[0].name",
    "DROPPED messages[0].content[0].cache_control",
    "DROPPED messages[1].content[0].native",
    "DROPPED messages[1].content[1].server_tool",
    "DROPPED messages[1].content[2].video",
  ]);
});

test("parts of Google's own are replayed as they are", () => {
  const json = `{"executableCode":{"language":"PYTHON","code":"1"},"thoughtSignature":"s"}`;
  expect(
    encode({ messages: [user(text("q")), assistant({ part: { case: "native", value: { issuer: "google", json } } }), user(text("b"))] })
      .text,
  ).toContain(`{"role":"model","parts":[${json}]}`);
});
