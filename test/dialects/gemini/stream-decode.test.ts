import { describe, expect, test } from "vitest";
import { FinishReason } from "../../../src/core/chat.ts";
import { isContent } from "../../../src/core/stream.ts";
import { gemini } from "../../../src/dialects/gemini/upstream.ts";
import { answer, decoded, folded, recorded, recordedWhole, shape, streamed, thrownBy } from "./support.ts";

const good = [
  "usage-cache",
  "parallel-tools",
  "tools",
  "reasoning",
  "refusal",
  "blocked",
  "length",
  "json-schema",
  "search",
  "image",
  "media",
];

describe.each(good)("the recorded answer %s", (name) => {
  const bytes = recorded(name);
  const events = decoded([bytes]);

  test("means the same cut anywhere", () => {
    for (let at = 1; at < bytes.length; at++) expect(decoded([bytes.subarray(0, at), bytes.subarray(at)])).toEqual(events);
    expect(decoded(Array.from(bytes, (byte) => Uint8Array.of(byte)))).toEqual(events);
  });

  test("means the same with other line ends", () => {
    const lf = bytes.toString("utf8").replaceAll("\r\n", "\n");
    for (const end of ["\n", "\r\n", "\r"]) expect(decoded([Buffer.from(lf.replaceAll("\n", end))])).toEqual(events);
  });

  test("never looks finished where it breaks off before its end", () => {
    // The last byte of the last answer's JSON: what follows is white space.
    const end = bytes.toString("latin1").trimEnd().length;
    for (let length = 0; length < bytes.length; length++) {
      const cut = () => decoded([bytes.subarray(0, length)]);
      if (length >= end) expect(cut()).toEqual(events);
      else expect(thrownBy(cut).failure).toMatch(/^UPSTREAM_(UNAVAILABLE|PROTOCOL)$/);
    }
  });

  test("says whole what it says streamed", () => {
    expect(gemini.decodeResponse(recordedWhole(name), {})).toEqual(folded(events));
  });

  test("says the same as the list that comes where no events were asked for", () => {
    const list = bytes
      .toString("utf8")
      .split(/\r?\n\r?\n/)
      .filter((event) => event !== "")
      .map((event) => event.replace(/^data: /, ""));
    expect(gemini.decodeResponse(JSON.parse(`[${list.join(",\n")}]`.replaceAll("12345678901234567890", "1")), {})).toEqual(
      folded(decoded([Buffer.from(bytes.toString("utf8").replaceAll("12345678901234567890", "1"))])),
    );
  });

  test("has parts one after another, with dense numbers", () => {
    let open: number | undefined;
    let next = 0;
    for (const event of events) {
      if (event.case === "partStarted") {
        expect([open, event.value.partIndex]).toEqual([undefined, next++]);
        open = event.value.partIndex;
      } else if (event.case === "partDelta") expect(event.value.partIndex).toBe(open);
      else if (event.case === "partEnded") open = undefined;
    }
    expect(open).toBeUndefined();
    expect(events.at(-1)?.case).toBe("completed");
  });
});

describe("a recorded stream", () => {
  test("of text becomes one part, with inclusive usage and its cached tokens", () => {
    const events = decoded([recorded("usage-cache")]);
    expect(shape(events)).toBe("started partStarted text usage text usage text usage partEnded choiceEnded completed");
    const response = folded(events);
    expect(response).toMatchObject({
      model: "gemini-2.5-flash",
      serviceTier: "standard",
      extensionsJson: { google: `{"responseId":"r-1"}` },
    });
    expect(response.usage).toMatchObject({ inputTokens: 1124, outputTokens: 15, totalTokens: 1139, cacheReadTokens: 1000 });
    expect(response.usage?.extensionsJson["google"]).toContain("promptTokensDetails");
    expect(response.choices[0]).toMatchObject({
      finishReason: FinishReason.STOP,
      nativeFinishReason: "STOP",
      message: { text: "Hello wörld 🦙." },
      extensionsJson: { google: `{"safetyRatings":[{"category":"HARM_CATEGORY_HARASSMENT","probability":"NEGLIGIBLE"}]}` },
    });
  });

  test("has no content before its first words", () => {
    expect(decoded([recorded("usage-cache")]).findIndex(isContent)).toBe(2);
  });

  test("of parallel calls keeps ids, digits, order and signatures, and ends in tool calls", () => {
    const [choice] = folded(decoded([recorded("parallel-tools")])).choices;
    expect(choice).toMatchObject({ finishReason: FinishReason.TOOL_CALLS, nativeFinishReason: "STOP" });
    expect(choice?.message?.content).toMatchObject([
      { part: { case: "reasoning", value: { text: "**Looking** it up.", summary: true, opaque: [] } } },
      { part: { case: "text", value: { text: "One moment." } } },
      {
        part: { case: "toolCall", value: { id: "fc-1", name: "weather", argumentsJson: `{"city":"Paris","id":12345678901234567890}` } },
        opaque: [{ issuer: "google", kind: "thought_signature", value: "c2lnMQ==" }],
      },
      { part: { case: "toolCall", value: { id: "fc-2", name: "now", argumentsJson: "{}" } }, opaque: [] },
    ]);
    expect(folded(decoded([recorded("parallel-tools")])).usage).toMatchObject({ inputTokens: 60, outputTokens: 53, reasoningTokens: 30 });
  });

  test("of a call without an id invents one, always the same", () => {
    const ids = [0, 1].map(() => folded(decoded([recorded("tools")])).choices[0]?.message?.content[0]?.part.value);
    expect(ids[0]).toMatchObject({ id: expect.stringMatching(/^call_[0-9a-f]{16}$/), name: "weather" });
    expect(ids[1]).toEqual(ids[0]);
  });

  test("of thoughts keeps the last signature on a part of its own", () => {
    const response = folded(decoded([recorded("reasoning")]));
    expect(response.choices[0]?.message?.content).toMatchObject([
      { part: { case: "reasoning", value: { text: "Let me see." } } },
      { part: { case: "text", value: { text: "42" } }, opaque: [] },
      { part: { case: "text", value: { text: "" } }, opaque: [{ value: "c2VhbA==" }] },
    ]);
    expect(response.usage).toMatchObject({ outputTokens: 82, reasoningTokens: 80 });
  });

  test("that a filter stops ends so", () => {
    expect(folded(decoded([recorded("refusal")])).choices[0]).toMatchObject({
      finishReason: FinishReason.CONTENT_FILTER,
      nativeFinishReason: "SAFETY",
      message: { text: "Well," },
    });
  });

  test("whose prompt is refused is an empty message that a filter stopped", () => {
    const response = folded(decoded([recorded("blocked")]));
    expect(response.choices).toMatchObject([
      { index: 0, finishReason: FinishReason.CONTENT_FILTER, nativeFinishReason: "PROHIBITED_CONTENT", message: { content: [] } },
    ]);
    expect(response.extensionsJson["google"]).toContain(`"blockReason":"PROHIBITED_CONTENT"`);
    expect(response.usage).toMatchObject({ inputTokens: 8, outputTokens: 0 });
  });

  test("that ends within its thoughts has no content, and ended by length", () => {
    const response = folded(decoded([recorded("length")]));
    expect(response.choices).toMatchObject([{ finishReason: FinishReason.LENGTH, message: { content: [] } }]);
    expect(response.usage).toMatchObject({ outputTokens: 64, reasoningTokens: 64 });
  });

  test("of a search tells its sources in characters, and keeps what ran at Google", () => {
    const response = folded(decoded([recorded("search")]));
    const content = response.choices[0]?.message?.content ?? [];
    expect(content.slice(0, 2).map(({ part }) => part.value)).toMatchObject([
      { issuer: "google", json: `{"executableCode":{"language":"PYTHON","code":"print(1)"}}` },
      { issuer: "google", json: `{"codeExecutionResult":{"outcome":"OUTCOME_OK","output":"1\\n"}}` },
    ]);
    expect(content[2]?.part.value).toMatchObject({
      text: "Llämas hum. They spit.",
      citations: [
        { start: 0, end: 11, title: "A", url: "https://example.com/a" },
        { start: 0, end: 11, title: "B", url: "https://example.com/b" },
        { start: 12, end: 21, title: "B", url: "https://example.com/b" },
      ],
    });
    expect(content[3]?.opaque).toMatchObject([{ value: "c2ln" }]);
    expect(response.choices[0]?.extensionsJson["google"]).toContain("webSearchQueries");
    expect(response.usage).toMatchObject({ inputTokens: 100, outputTokens: 9 });
  });

  test("of pictures and sound has parts of both", () => {
    const response = folded(decoded([recorded("media")]));
    expect(response.choices[0]?.message?.content).toMatchObject([
      { part: { case: "text" } },
      { part: { case: "image", value: { media: { mimeType: "image/png" } } }, opaque: [{ value: "aW1n" }] },
      {
        part: { case: "audio", value: { media: { mimeType: "audio/L16;rate=24000", source: { value: Uint8Array.of(0, 1, 2, 3, 4, 5) } } } },
      },
    ]);
    expect(response.usage?.outputAudioTokens).toBe(12);
  });

  test.each([
    { name: "error-first", before: "" },
    { name: "error-inside", before: "Hel" },
  ])("$name is the error it tells", ({ name }) => {
    expect(thrownBy(() => decoded([recorded(name)]))).toMatchObject({ failure: "OVERLOADED", upstream: { status: 200 } });
  });
});

describe("pieces", () => {
  test("with a signature are never one part with those beside them", () => {
    const events = streamed(
      answer([{ text: "a" }]),
      answer([{ text: "b", thoughtSignature: "s1" }]),
      answer([{ text: "c" }, { text: "d" }]),
      answer([{ text: "e", thoughtSignature: "s2" }], "STOP"),
    );
    const parts = folded(events).choices[0]?.message?.content.map(({ part, opaque }) => [
      part.case === "text" && part.value.text,
      opaque.map(({ value }) => value).join(),
    ]);
    expect(parts).toEqual([
      ["a", ""],
      ["b", "s1"],
      ["cd", ""],
      ["e", "s2"],
    ]);
  });

  test("with a signature and no words, before anything else, are a part", () => {
    const parts = folded(streamed(answer([{ thoughtSignature: "s" }]), answer([{ text: "a" }], "STOP"))).choices[0]?.message?.content;
    expect(parts).toMatchObject([{ opaque: [{ value: "s" }] }, { part: { value: { text: "a" } }, opaque: [] }]);
  });

  test("with a signature and no words keep their place before a call", () => {
    const parts = folded(
      streamed(answer([{ text: "a" }, { text: "", thoughtSignature: "s" }, { functionCall: { id: "x", name: "f" } }], "STOP")),
    ).choices[0]?.message?.content;
    expect(parts?.map(({ part }) => part.case)).toEqual(["text", "text", "toolCall"]);
  });

  test("that cut a character in two are healed", () => {
    const events = streamed(answer([{ text: "a\ud83e" }]), answer([{ text: "\udd99b" }], "STOP"));
    const texts = events.flatMap((event) =>
      event.case === "partDelta" && event.value.delta.case === "text" ? [event.value.delta.value] : [],
    );
    expect(texts).toEqual(["a", "🦙b"]);
  });

  test("that say nothing say nothing", () => {
    const events = streamed(
      answer([{ text: "" }, {}]),
      answer([{ text: "a" }]),
      { usageMetadata: { promptTokenCount: 1 } },
      answer([], "STOP"),
    );
    expect(shape(events)).toBe("started partStarted text usage partEnded choiceEnded completed");
  });

  test("after the finish still count, and the last finish is the one", () => {
    const events = streamed(answer([{ text: "a" }], "MAX_TOKENS"), answer([{ text: "b" }], "STOP"), {
      usageMetadata: { promptTokenCount: 3 },
    });
    expect(folded(events)).toMatchObject({
      choices: [{ message: { text: "ab" }, finishReason: FinishReason.STOP }],
      usage: { inputTokens: 3 },
    });
  });

  test("of several candidates keep apart", () => {
    const both = (a: string, b: string, finishReason?: string) => ({
      candidates: [a, b].map((value, index) => ({
        content: { parts: [{ text: value }] },
        index,
        ...(finishReason !== undefined && { finishReason }),
      })),
    });
    expect(folded(streamed(both("a", "b"), both("c", "d", "STOP"))).choices.map(({ index, message }) => [index, message?.text])).toEqual([
      [0, "ac"],
      [1, "bd"],
    ]);
    expect(thrownBy(() => streamed(both("a", "b"), answer([], "STOP"))).failure).toBe("UPSTREAM_UNAVAILABLE");
  });

  test("carry the probabilities of their tokens", () => {
    const logprobsResult = {
      chosenCandidates: [{ token: "a", tokenId: 1, logProbability: -0.5 }],
      topCandidates: [
        {
          candidates: [
            { token: "a", logProbability: -0.5 },
            { token: "b", logProbability: -2 },
          ],
        },
      ],
    };
    const chunk = { candidates: [{ content: { parts: [{ text: "a" }] }, finishReason: "STOP", logprobsResult }] };
    expect(folded(streamed(chunk)).choices[0]?.logprobs).toMatchObject([
      { token: "a", logprob: -0.5, top: [{ token: "a" }, { token: "b", logprob: -2 }] },
    ]);
  });

  test("may be followed by a mark that Google does not send", () => {
    const data = `data: ${JSON.stringify(answer([{ text: "a" }], "STOP"))}\n\ndata: [DONE]\n\n`;
    expect(folded(decoded([Buffer.from(data)])).choices[0]?.message?.text).toBe("a");
  });
});

describe("a broken stream", () => {
  test.each([
    { what: "no JSON", data: "<html>", failure: "UPSTREAM_PROTOCOL" },
    { what: "no object", data: "3", failure: "UPSTREAM_PROTOCOL" },
    { what: "candidates that are no list", data: `{"candidates":{}}`, failure: "UPSTREAM_PROTOCOL" },
    { what: "a candidate that is no object", data: `{"candidates":[3]}`, failure: "UPSTREAM_PROTOCOL" },
    { what: "a part that is no object", data: `{"candidates":[{"content":{"parts":["a"]}}]}`, failure: "UPSTREAM_PROTOCOL" },
    { what: "a call without a name", data: `{"candidates":[{"content":{"parts":[{"functionCall":{}}]}}]}`, failure: "UPSTREAM_PROTOCOL" },
    {
      what: "media that are no base64",
      data: `{"candidates":[{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"*"}}]}}]}`,
      failure: "UPSTREAM_PROTOCOL",
    },
    { what: "an end mark alone", data: "[DONE]", failure: "UPSTREAM_UNAVAILABLE" },
    { what: "usage alone", data: `{"usageMetadata":{"promptTokenCount":1}}`, failure: "UPSTREAM_UNAVAILABLE" },
    {
      what: "a finish that is none",
      data: `{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"FINISH_REASON_UNSPECIFIED"}]}`,
      failure: "UPSTREAM_UNAVAILABLE",
    },
    { what: "a list of errors", data: `[{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED"}}]`, failure: "RATE_LIMITED" },
  ])("with $what is $failure", ({ data, failure }) => {
    expect(thrownBy(() => decoded([Buffer.from(`data: ${data}\n\n`)])).failure).toBe(failure);
  });

  test("that is a bare error body is that error", () => {
    const body = { error: { code: 429, message: "m", status: "RESOURCE_EXHAUSTED", details: [{ retryDelay: "3s" }] } };
    expect(thrownBy(() => gemini.decodeResponse(body, {}))).toMatchObject({ failure: "RATE_LIMITED", retryAfterMs: 3000 });
    expect(thrownBy(() => gemini.decodeResponse([body], {}))).toMatchObject({ failure: "RATE_LIMITED", retryAfterMs: 3000 });
  });
});
