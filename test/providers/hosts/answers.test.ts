import { describe, expect, test } from "vitest";
import { type ChatEvent, type ChatResponse, FinishReason } from "../../../src/core/chat.ts";
import { ChatError } from "../../../src/core/error.ts";
import { openaiChat } from "../../../src/dialects/openai-chat/upstream.ts";
import { hosts, type HostType } from "../../../src/providers/hosts.ts";
import { createSseReader } from "../../../src/providers/wire/sse.ts";
import { answers, type Expected } from "./answers.ts";
import { callHost, type Outcome } from "./scene.ts";

/** What the outcome is in the fields that the expectation names. */
function seen({ response, error, events }: Outcome, is: Expected): Expected {
  const all: Required<Expected> = {
    ...ofAnswer(response),
    kept: (is.kept ?? []).filter((piece) => JSON.stringify(keptIn([response, events])).includes(JSON.stringify(piece).slice(1, -1))),
    failure: error?.failure ?? "INTERNAL",
    field: error?.field ?? "",
    waitMs: error?.retryAfterMs ?? 0,
    blameless: error?.blameless ?? false,
  };
  return Object.fromEntries(Object.entries(all).filter(([key]) => Object.hasOwn(is, key)));
}

function ofAnswer(response: ChatResponse | undefined) {
  const [choice] = response?.choices ?? [];
  const parts = choice?.message?.content.map(({ part }) => part) ?? [];
  const { usage } = response ?? {};
  return {
    text: choice?.message?.text ?? "",
    reasoning: parts.map((part) => (part.case === "reasoning" ? part.value.text : "")).join(""),
    calls: parts.flatMap((part) => (part.case === "toolCall" ? [`${part.value.id} ${part.value.name} ${part.value.argumentsJson}`] : [])),
    finish: Object.entries(FinishReason).find(([, value]) => value === choice?.finishReason)?.[0] ?? "",
    native: choice?.nativeFinishReason ?? "",
    usage: [
      `${usage?.inputTokens}+${usage?.outputTokens}`,
      ...((usage?.cacheReadTokens ?? 0) > 0 ? [`cached ${usage?.cacheReadTokens}`] : []),
      ...((usage?.reasoningTokens ?? 0) > 0 ? [`thought ${usage?.reasoningTokens}`] : []),
    ].join(" "),
  };
}

/** What the host's language makes of a stream that comes in these pieces; an error last. */
function decoded(host: HostType, pieces: readonly Buffer[]): string {
  const out: ChatEvent[] = [];
  const decoder = openaiChat.streamDecoder(hosts[host].quirks);
  const reader = createSseReader((data, event) => decoder.push(data, event, out));
  try {
    for (const piece of pieces) reader.push(piece);
    reader.end();
    decoder.end(out);
  } catch (error) {
    return JSON.stringify([...out, error instanceof ChatError ? error.failure : String(error)]);
  }
  return JSON.stringify(out);
}

/** Every text under `extensionsJson`, wherever it stands. */
function keptIn(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.flatMap(keptIn);
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => (key === "extensionsJson" ? Object.values(inner).map(String) : keptIn(inner)));
}

for (const { host, vendor = host, what, whole, stream, is } of answers) {
  describe(`${vendor}: ${what}`, () => {
    if (whole !== undefined) test("whole", async () => expect(seen(await callHost(host, whole), is)).toEqual(is));
    if (stream === undefined) return;

    test("as a stream", async () => expect(seen(await callHost(host, { body: stream }, { streamed: true }), is)).toEqual(is));

    test("as a stream in two pieces, cut at any byte", () => {
      const bytes = Buffer.from(stream);
      const events = decoded(host, [bytes]);
      for (let at = 1; at < bytes.length; at++) expect(decoded(host, [bytes.subarray(0, at), bytes.subarray(at)])).toBe(events);
    });

    if (is.failure !== undefined) return;
    test("as a stream that breaks off, which never looks finished", async () => {
      const end = Math.max(stream.lastIndexOf('"finish_reason":"'), 0) || stream.lastIndexOf("data: [DONE]");
      const { error } = await callHost(host, { body: stream.slice(0, end) }, { streamed: true });
      expect(["UPSTREAM_UNAVAILABLE", "UPSTREAM_PROTOCOL"]).toContain(error?.failure);
    });
  });
}

test("every host of OpenAI's language is in the table, but OpenAI itself", () => {
  const tested = new Set(answers.map(({ host }) => host));
  const speaking = Object.entries(hosts).flatMap(([type, { dialect }]) => (dialect === "openai-chat" && type !== "openai" ? [type] : []));
  expect([...tested].toSorted()).toEqual(speaking.toSorted());
});
