import { describe, expect, test } from "vitest";
import * as fc from "fast-check";
import {
  assistant,
  call,
  claude,
  contents,
  encode,
  fn,
  llama,
  type MessageInit,
  nova,
  type PartInit,
  result,
  system,
  text,
  thrownBy,
  tool,
  user,
} from "./support.ts";

const png = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 1, 2);
const pngText = Buffer.from(png).toString("base64");
const pdf = Buffer.from("%PDF-1.7");

const image = (mimeType = "image/png", data: Uint8Array = png): PartInit => ({
  part: { case: "image", value: { media: { source: { case: "data", value: data }, mimeType } } },
});
const document = (
  more: { mimeType?: string; filename?: string; title?: string; data?: Uint8Array; context?: string; citations?: boolean } = {},
): PartInit => {
  const { mimeType = "application/pdf", filename = "", title = "", data = pdf, context = "", citations = false } = more;
  return {
    part: { case: "document", value: { media: { source: { case: "data", value: data }, mimeType, filename }, title, context, citations } },
  };
};
const first = (content: PartInit[], at = claude): unknown => contents([user(...content)], at)[0];

describe("messages", () => {
  test("leading instructions become system, in blocks", () => {
    const { body } = encode({ messages: [system(text("Be kind.")), system(text("Be brief.")), user(text("Hi"))] });
    expect(body).toMatchObject({
      system: [{ text: "Be kind." }, { text: "Be brief." }],
      messages: [{ role: "user", content: [{ text: "Hi" }] }],
    });
  });

  test("later instructions stay where they are, as the user's text", () => {
    const { body, notes } = encode({
      messages: [user(text("Hi")), assistant(text("Hello")), system(text("Now rhyme.")), user(text("Go on"))],
    });
    expect(body["messages"]).toEqual([
      { role: "user", content: [{ text: "Hi" }] },
      { role: "assistant", content: [{ text: "Hello" }] },
      { role: "user", content: [{ text: "<system>\nNow rhyme.\n</system>" }, { text: "Go on" }] },
    ]);
    expect(notes).toEqual(["APPROXIMATED messages[2]"]);
  });

  test("neighbours of one role are one message", () => {
    expect(contents([user(text("a")), user(text("b")), assistant(text("c")), assistant(text("d")), user(text("e"))])).toEqual([
      { role: "user", content: [{ text: "a" }, { text: "b" }] },
      { role: "assistant", content: [{ text: "c" }, { text: "d" }] },
      { role: "user", content: [{ text: "e" }] },
    ]);
  });

  test("blank text is left out, and so are messages that are empty then", () => {
    const { body, notes } = encode({ messages: [user(text("a")), assistant(text("")), user(text(" \n"), text("b"))] });
    expect(body["messages"]).toEqual([{ role: "user", content: [{ text: "a" }, { text: "b" }] }]);
    expect(notes).toEqual(["DROPPED messages[2].content[0]"]);
  });

  test("names of participants are dropped", () => {
    expect(encode({ messages: [{ role: 2, name: "ann", text: "Hi" }] }).notes).toEqual(["DROPPED messages[0].name"]);
  });

  test.for<{ what: string; messages: MessageInit[] }>([
    { what: "instructions alone", messages: [system(text("Be kind."))] },
    { what: "nothing but blanks", messages: [user(text(" "))] },
    { what: "the assistant first", messages: [assistant(text("Hello")), user(text("Hi"))] },
  ])("$what are another target's", ({ messages }) => {
    expect(thrownBy(() => encode({ messages }))).toMatchObject({ failure: "UNSUPPORTED_FEATURE", field: "messages" });
  });

  test("the assistant last is continued by models that can, without white space at the end", () => {
    const messages = [user(text("Say A")), assistant(text("A \n"))];
    const { body, notes } = encode({ messages }, "anthropic.claude-3-haiku-20240307-v1:0");
    expect(body["messages"]).toMatchObject([{}, { content: [{ text: "A" }] }]);
    expect(notes).toEqual(["APPROXIMATED messages.content"]);
    expect(thrownBy(() => encode({ messages }, "anthropic.claude-opus-5-5"))).toMatchObject({
      failure: "UNSUPPORTED_FEATURE",
      field: "messages",
    });
  });

  test("fields of the caller's own go along", () => {
    const message: MessageInit = { role: 2, text: "Hi", extensionsJson: { bedrock: '{"novel":1}', other: '{"x":1}' } };
    expect(contents([message])).toEqual([{ novel: 1, role: "user", content: [{ text: "Hi" }] }]);
  });
});

describe("tool turns", () => {
  const turn = (at: string, ...results: MessageInit[]) =>
    contents([user(text("q")), assistant(call("a"), call("b")), ...results], at, { tools: [fn("f")] });

  test("results are one message of the user, in the order of their calls, before what the user says", () => {
    expect(turn(claude, tool(result("b", "2")), user(text("and?")), tool(result("a", "1")))).toEqual([
      { role: "user", content: [{ text: "q" }] },
      {
        role: "assistant",
        content: [{ toolUse: { toolUseId: "a", name: "f", input: {} } }, { toolUse: { toolUseId: "b", name: "f", input: {} } }],
      },
      {
        role: "user",
        content: [
          { toolResult: { toolUseId: "a", content: [{ text: "1" }] } },
          { toolResult: { toolUseId: "b", content: [{ text: "2" }] } },
          { text: "and?" },
        ],
      },
    ]);
  });

  test("a failed result says so, in words where the model has no word for it", () => {
    const failed: PartInit = { part: { case: "toolResult", value: { toolCallId: "a", content: [text("boom")], isError: true } } };
    expect(turn(claude, tool(failed))[2]).toEqual({
      role: "user",
      content: [{ toolResult: { toolUseId: "a", content: [{ text: "boom" }], status: "error" } }],
    });
    expect(turn(llama, tool(failed))[2]).toEqual({
      role: "user",
      content: [{ toolResult: { toolUseId: "a", content: [{ text: "Error:" }, { text: "boom" }] } }],
    });
  });

  test("an empty result is an empty list", () => {
    expect(turn(claude, tool(result("a", "")))[2]).toEqual({ role: "user", content: [{ toolResult: { toolUseId: "a", content: [] } }] });
  });

  test("images stay within results where the model takes them, and stand behind all of them elsewhere", () => {
    const shot = (id: string): PartInit => ({ part: { case: "toolResult", value: { toolCallId: id, content: [image()] } } });
    const wire = { image: { format: "png", source: { bytes: pngText } } };
    expect(turn(claude, tool(shot("a")), tool(result("b")))[2]).toMatchObject({
      content: [{ toolResult: { content: [wire] } }, { toolResult: {} }],
    });
    expect(turn("us.openai.gpt-6-sol", tool(shot("a")), tool(result("b")))[2]).toEqual({
      role: "user",
      content: [
        { toolResult: { toolUseId: "a", content: [{ text: "See below." }] } },
        { toolResult: { toolUseId: "b", content: [{ text: "ok" }] } },
        wire,
      ],
    });
  });

  test("arguments keep their digits and the order of their keys", () => {
    const { text: body } = encode({
      messages: [user(text("q")), assistant(call("a", '{"z":12345678901234567890,"a":[1.0]}')), tool(result("a"))],
    });
    expect(body).toContain('"input":{"z":12345678901234567890,"a":[1]}');
  });

  test.for(["", "null", " "])("arguments %j are none", (written) => {
    expect(contents([user(text("q")), assistant(call("a", written)), tool(result("a"))])[1]).toMatchObject({
      content: [{ toolUse: { input: {} } }],
    });
  });

  test.for(["{", "[1]", '"x"'])("arguments %s, which are no object, are sent as text", (written) => {
    const { body, notes } = encode({ messages: [user(text("q")), assistant(call("a", written)), tool(result("a"))], tools: [fn("f")] });
    expect(body["messages"]).toMatchObject([{}, { content: [{ toolUse: { input: { _raw: written } } }] }, {}]);
    expect(notes).toEqual(["APPROXIMATED messages[1].content[0].tool_call.arguments_json"]);
  });

  test("an id that is illegal here is replaced in call and result alike, and always by the same", () => {
    const long = `call:${"x".repeat(80)}`;
    const messages = [user(text("q")), assistant(call(long)), tool(result(long))];
    const ids = [...JSON.stringify(contents(messages)).matchAll(/"toolUseId":"([^"]+)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(1);
    expect(ids).toHaveLength(2);
    expect(ids[0]).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
    expect(JSON.stringify(contents(messages))).toBe(JSON.stringify(contents(messages)));
  });

  test.for<{ what: string; messages: MessageInit[] }>([
    { what: "a call of the user's", messages: [user(call("a"))] },
    { what: "a result of the assistant's", messages: [user(text("q")), assistant(result("a")), user(text("x"))] },
  ])("$what is refused", ({ messages }) => {
    expect(thrownBy(() => encode({ messages })).failure).toBe("INVALID_REQUEST");
  });
});

describe("media", () => {
  test("an image is its bytes, by its first ones and not by its label", () => {
    expect(first([text("look"), image("image/jpeg")])).toEqual({
      role: "user",
      content: [{ text: "look" }, { image: { format: "png", source: { bytes: pngText } } }],
    });
  });

  test("a document is named within Amazon's alphabet, once", () => {
    const content = [text("read"), document({ filename: "Q3_report (final)!!.pdf" }), document({ title: "Q3 report (final)" }), document()];
    const names = [...JSON.stringify(first(content)).matchAll(/"name":"([^"]*)"/g)].map(([, name]) => name);
    expect(names).toEqual(["Q3 report (final)", "Q3 report (final) 2", "Document"]);
  });

  test("a document carries context and the wish for citations", () => {
    expect(first([text("read"), document({ context: "about it", citations: true })])).toMatchObject({
      content: [{}, { document: { format: "pdf", name: "Document", context: "about it", citations: { enabled: true } } }],
    });
  });

  test("a document alone gets text beside it", () => {
    const { body, notes } = encode({ messages: [user(document())] });
    expect(body["messages"]).toMatchObject([{ content: [{ document: {} }, { text: "See the attached document." }] }]);
    expect(notes).toEqual(["EMULATED messages[0].content"]);
  });

  test.for([
    ["text/plain", "", "txt"],
    ["text/markdown; charset=utf-8", "", "md"],
    ["TEXT/CSV", "", "csv"],
    ["application/json", "", "txt"],
    ["", "table.xlsx", "xlsx"],
    ["application/octet-stream", "letter.docx", "docx"],
    ["text/x-rust", "main.rs", "txt"],
  ] as const)("a document of type %s called %s is %s", ([mimeType, filename, format]) => {
    expect(first([text("x"), document({ mimeType, filename, data: Buffer.from("plain") })])).toMatchObject({
      content: [{}, { document: { format } }],
    });
  });

  test("video and audio are bytes", () => {
    const media = (mimeType: string) => ({ source: { case: "data" as const, value: Uint8Array.of(1, 2, 3) }, mimeType });
    const parts: PartInit[] = [
      { part: { case: "video", value: { media: media("video/quicktime") } } },
      { part: { case: "audio", value: { media: media("audio/wav") } } },
    ];
    expect(first([text("x"), ...parts], nova)).toMatchObject({
      content: [{}, { video: { format: "mov", source: { bytes: "AQID" } } }, { audio: { format: "wav", source: { bytes: "AQID" } } }],
    });
  });

  test("what lies in S3 is read from there", () => {
    const stored: PartInit = {
      part: {
        case: "image",
        value: { media: { source: { case: "file", value: { issuer: "bedrock", id: "s3://bucket/a.png" } }, mimeType: "image/png" } },
      },
    };
    expect(first([text("x"), stored])).toMatchObject({
      content: [{}, { image: { format: "png", source: { s3Location: { uri: "s3://bucket/a.png" } } } }],
    });
  });

  const at = (source: { case: "url"; value: string } | { case: "file"; value: { issuer: string; id: string } }): PartInit => ({
    part: { case: "image", value: { media: { source, mimeType: "image/png" } } },
  });
  test.for<{ what: string; part: PartInit; says: RegExp }>([
    { what: "a URL", part: at({ case: "url", value: "https://example.com/a.png" }), says: /it fetches no URLs$/ },
    {
      what: "another vendor's file",
      part: at({ case: "file", value: { issuer: "openai", id: "file-1" } }),
      says: /cannot be read by bedrock$/,
    },
    { what: "a kind of image that it does not take", part: image("image/tiff", Uint8Array.of(1)), says: /png, jpeg, gif, webp$/ },
    {
      what: "a kind of document that it does not take",
      part: document({ mimeType: "application/zip", data: Uint8Array.of(1) }),
      says: /pdf, csv/,
    },
  ])("$what is another target's", ({ part, says }) => {
    const error = thrownBy(() => encode({ messages: [user(text("x"), part)] }));
    expect(error).toMatchObject({ failure: "UNSUPPORTED_FEATURE", field: expect.stringMatching(/^messages\[0\]\.content\[1\]\./) });
    expect(error.message).toMatch(says);
  });

  test("an image in the instructions is another target's; one of the assistant's is dropped", () => {
    expect(thrownBy(() => encode({ messages: [system(image()), user(text("x"))] })).failure).toBe("UNSUPPORTED_FEATURE");
    const { notes } = encode({ messages: [user(text("x")), assistant(text("y"), image()), user(text("z"))] });
    expect(notes).toEqual(["DROPPED messages[1].content[1].image"]);
  });

  test("the detail of an image is dropped", () => {
    const part: PartInit = {
      part: { case: "image", value: { detail: 3, media: { source: { case: "data", value: png }, mimeType: "image/png" } } },
    };
    expect(encode({ messages: [user(text("x"), part)] }).notes).toEqual(["DROPPED messages[0].content[1].image.detail"]);
  });
});

describe("what other turns left", () => {
  const thought = (issuer: string, kind: string, value: string): PartInit => ({
    part: { case: "reasoning", value: { text: "hm", opaque: [{ issuer, kind, value }] } },
  });
  const replayed = (part: PartInit) => encode({ messages: [user(text("q")), assistant(part, text("a")), user(text("r"))] });

  test("reasoning goes back with its own signature, sealed reasoning as it was", () => {
    expect(replayed(thought("bedrock", "signature", "sig=")).body["messages"]).toMatchObject([
      {},
      { content: [{ reasoningContent: { reasoningText: { text: "hm", signature: "sig=" } } }, { text: "a" }] },
      {},
    ]);
    expect(replayed(thought("bedrock", "redacted_content", "AQI=")).body["messages"]).toMatchObject([
      {},
      { content: [{ reasoningContent: { redactedContent: "AQI=" } }, { text: "a" }] },
      {},
    ]);
  });

  test.for(["anthropic", "openai", "google"])("reasoning that %s signed stays here", (issuer) => {
    const { text: body, notes } = replayed(thought(issuer, "signature", "token-of-another"));
    expect(body).not.toContain("token-of-another");
    expect(body).not.toContain("hm");
    expect(notes).toEqual(["DROPPED messages[1].content[0].reasoning"]);
  });

  test("no token of another vendor leaves, whatever it is called", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 20 }), fc.constantFrom("signature", "redacted_content", "data"), (issuer, kind) => {
        fc.pre(issuer !== "bedrock");
        expect(replayed(thought(issuer, kind, "secret-token-of-theirs")).text).not.toContain("secret-token-of-theirs");
      }),
    );
  });

  test("citations go back with their text", () => {
    const part: PartInit = { ...text("It is wet."), extensionsJson: { bedrock: '{"citations":[{"title":"Rain"}]}' } };
    expect(replayed(part).body["messages"]).toMatchObject([
      {},
      { content: [{ citationsContent: { content: [{ text: "It is wet." }], citations: [{ title: "Rain" }] } }, {}] },
      {},
    ]);
  });

  test("native blocks go back to Bedrock alone", () => {
    const native = (issuer: string): PartInit => ({
      part: { case: "native", value: { issuer, json: '{"guardContent":{"text":{"text":"x"}}}' } },
    });
    expect(replayed(native("bedrock")).text).toContain('{"guardContent":{"text":{"text":"x"}}}');
    const foreign = replayed(native("anthropic"));
    expect(foreign.text).not.toContain("guardContent");
    expect(foreign.notes).toEqual(["DROPPED messages[1].content[0].native"]);
  });
});

test("a conversation that goes on begins with the bytes of the shorter one", () => {
  const turns: MessageInit[] = [
    system(text("Be kind.")),
    user(text("q"), document({ filename: "a.pdf" })),
    assistant(call("a b", '{"x":1}'), call("c")),
    tool(result("c")),
    tool(result("a b")),
    assistant(
      { part: { case: "reasoning", value: { text: "hm", opaque: [{ issuer: "bedrock", kind: "signature", value: "s" }] } } },
      text("done"),
    ),
    user(document({ filename: "a.pdf" })),
    assistant(text("ok")),
    user(text("thanks")),
  ];
  const messagesOf = (count: number): string => JSON.stringify(contents(turns.slice(0, count), claude, { tools: [fn("f")] }));
  for (const [shorter, longer] of [
    [2, 5],
    [5, 7],
    [7, 9],
  ] as const)
    expect(messagesOf(longer).startsWith(messagesOf(shorter).slice(0, -1))).toBe(true);
});
