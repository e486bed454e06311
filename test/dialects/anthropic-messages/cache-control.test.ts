import { describe, expect, test } from "vitest";
import { blocks, messagesOf, type PartInit, result, system, text, tool, user } from "./builders.ts";
import { encode } from "./support.ts";

const marked = (value: string, seconds?: bigint): PartInit => ({
  ...text(value),
  cacheControl: seconds === undefined ? {} : { ttl: { seconds, nanos: 0 } },
});

describe("breakpoints", () => {
  test.each([
    { seconds: undefined, control: { type: "ephemeral" }, notes: 0 },
    { seconds: 300n, control: { type: "ephemeral", ttl: "5m" }, notes: 0 },
    { seconds: 3600n, control: { type: "ephemeral", ttl: "1h" }, notes: 0 },
    { seconds: 1800n, control: { type: "ephemeral", ttl: "5m" }, notes: 1 },
    { seconds: 86_400n, control: { type: "ephemeral", ttl: "1h" }, notes: 1 },
  ])("of $seconds seconds are $control", ({ seconds, control, notes }) => {
    const encoded = encode({ messages: [user(marked("a", seconds))] });
    expect(messagesOf(encoded)).toMatchObject([{ content: [{ cache_control: control }] }]);
    expect(encoded.notes).toHaveLength(notes);
  });

  test("are at most four, the last ones, over tools, instructions and messages", () => {
    const encoded = encode({
      tools: [{ kind: { case: "function", value: { name: "f" } }, cacheControl: {} }],
      messages: [system(marked("s")), user(marked("a"), marked("b")), tool({ ...result("x"), cacheControl: {} })],
    });
    expect(encoded.text.match(/cache_control/g)).toHaveLength(4);
    expect(encoded.body["tools"]).toEqual([{ name: "f", input_schema: { type: "object", properties: {} } }]);
    expect(encoded.notes).toEqual(["DROPPED messages.content.cache_control"]);
  });

  test("share their places with the caller's automatic one", () => {
    const messages = [user(marked("a"), marked("b"), marked("c"), marked("d"))];
    const encoded = encode({ messages, extensionsJson: { anthropic: `{"cache_control":{"type":"ephemeral"}}` } });
    expect(encoded.text.match(/cache_control/g)).toHaveLength(4);
  });

  test("that are long do not follow short ones", () => {
    const encoded = encode({ messages: [user(marked("a", 300n), marked("b", 3600n))] });
    expect(encoded.text).not.toContain("1h");
    expect(encoded.notes).toHaveLength(1);
  });

  test("never stand on thinking", () => {
    const part: PartInit = {
      part: { case: "reasoning", value: { text: "", opaque: [{ issuer: "anthropic", kind: "signature", value: "s" }] } },
      cacheControl: {},
    };
    expect(blocks([part], "assistant")).toEqual([{ type: "thinking", thinking: "", signature: "s" }]);
  });
});
