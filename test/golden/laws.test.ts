/** What holds of every recorded answer, whichever dialect it is in. A new dialect has nothing to add here but its words. */
import { describe, expect, test } from "vitest";
import type { ChatResponse, ToolCallPart, Usage } from "../../src/core/chat.ts";
import { parseJson } from "../../src/core/json.ts";
import { isContent } from "../../src/core/stream.ts";
import { absent, answerOf, answersOf, expected, failing } from "./answers.ts";
import { type DialectRow, dialects } from "./dialects.ts";
import { eventsOf, foldedOf, play } from "./play.ts";

/** Where the two ways of answering differ in more than the order of things, by dialect and case, and why. */
const differing: Readonly<Record<string, string>> = {
  "anthropic-messages parallel-tools": "a whole answer has arguments as an object, a stream has the text that the model wrote",
  "cohere citations": "a whole answer has no text for a plan without calls",
  "openai-chat audio": "a stream tells of a sound's expiry behind its beginning, and no delta has a place for it but `extensions_json`",
  "openai-chat reasoning-details": "a stream tells a message's extra fields piece by piece, a whole answer at once",
  "openai-responses hosted": "a stream tells of a hosted tool's item twice, as it begins and as it ends",
};

async function bothOf(row: DialectRow, name: string): Promise<readonly [whole: ChatResponse, streamed: ChatResponse] | undefined> {
  const [whole, streamed] = [answerOf(row, name, false), answerOf(row, name, true)];
  if (whole === undefined || streamed === undefined) return undefined;
  return [await foldedOf(await play(row, whole)), await foldedOf(await play(row, streamed))];
}

function refuseWrongSums(usage: Usage | undefined): void {
  if (usage === undefined) expect.fail("nothing was told of usage");
  const { inputTokens, outputTokens, totalTokens, cacheReadTokens = 0, cacheWriteTokens = 0, reasoningTokens = 0 } = usage;
  expect(totalTokens).toBe(inputTokens + outputTokens);
  expect(cacheReadTokens + cacheWriteTokens).toBeLessThanOrEqual(inputTokens);
  expect(reasoningTokens).toBeLessThanOrEqual(outputTokens);
  expect(usage.inputAudioTokens ?? 0).toBeLessThanOrEqual(inputTokens);
  expect(usage.outputAudioTokens ?? 0).toBeLessThanOrEqual(outputTokens);
  expect(usage.estimated).toBe(false);
}

/** Keys of objects kept as text may come in another order. */
function comparable(response: ChatResponse): unknown {
  return JSON.parse(
    JSON.stringify(response, (key: string, value: unknown) => {
      if (typeof value === "bigint") return value.toString();
      if (key !== "extensionsJson" || typeof value !== "object" || value === null) return value;
      return Object.fromEntries(Object.entries(value).map(([issuer, text]) => [issuer, JSON.parse(String(text))]));
    }),
  );
}

/** What nobody may tell differently: the last words, the calls, the end and the price of it. */
function gist({ choices, usage, model, serviceTier }: ChatResponse): unknown {
  const told = choices.map(({ index, message, finishReason, nativeFinishReason, stopSequence, logprobs }) => {
    const texts = message?.content.flatMap(({ part }) => (part.case === "text" && part.value.text !== "" ? [part.value.text] : []));
    const calls = message?.content.flatMap(({ part }) => (part.case === "toolCall" ? [argumentsOf(part.value)] : []));
    return { index, last: texts?.at(-1), calls, finishReason, nativeFinishReason, stopSequence, logprobs };
  });
  return { told, usage, model, serviceTier };
}

function argumentsOf({ id, name, custom, argumentsJson }: ToolCallPart): unknown {
  return { id, name, arguments: custom ? argumentsJson : parseJson(argumentsJson) };
}

describe.each(dialects)("answers of $name", (row) => {
  const answers = answersOf(row);
  const good = answers.filter(({ name }) => !failing.has(name));

  test("are there for every case, or there is a reason", () => {
    const names = new Set(answers.map(({ name }) => name));
    const missing = expected.filter((name) => !names.has(name));
    expect(missing).toEqual(Object.keys(absent[row.name] ?? {}));
  });

  test.each([...new Set(good.map(({ name }) => name))])("of %s are recorded whole and as a stream, and come to the same", async (name) => {
    const both = await bothOf(row, name);
    if (both === undefined) expect.fail("one of the two forms is missing");
    const [whole, streamed] = both;
    expect(gist(streamed)).toEqual(gist(whole));
    if (differing[`${row.name} ${name}`] === undefined) expect(comparable(streamed)).toEqual(comparable(whole));
    else expect(comparable(streamed)).not.toEqual(comparable(whole));
  });

  test.each(good)("of $name (streamed: $streamed) count tokens that add up", async (answer) => {
    refuseWrongSums((await foldedOf(await play(row, answer))).usage);
  });

  test.each(good)("of $name (streamed: $streamed) end each choice once, and complete last", async (answer) => {
    const events = await eventsOf(await play(row, answer));
    if (!answer.streamed) {
      expect(events.map((event) => event.case)).toEqual(["whole"]);
      return;
    }
    expect([events[0]?.case, events.at(-1)?.case]).toEqual(["started", "completed"]);
    const ended = events.flatMap((event) => (event.case === "choiceEnded" ? [event.value.choiceIndex] : []));
    expect(ended).toEqual([...new Set(ended)]);
    const open = new Set<string>();
    for (const event of events) {
      if (event.case === "partStarted") open.add(`${event.value.choiceIndex}.${event.value.partIndex}`);
      else if (event.case === "partDelta") expect(open).toContain(`${event.value.choiceIndex}.${event.value.partIndex}`);
      else if (event.case === "partEnded") expect(open.delete(`${event.value.choiceIndex}.${event.value.partIndex}`)).toBe(true);
      else if (event.case === "choiceEnded") expect([...open].filter((key) => key.startsWith(`${event.value.choiceIndex}.`))).toEqual([]);
    }
  });

  test.each(answers.filter(({ name }) => failing.has(name)))("of $name fail, and never complete", async (answer) => {
    const started = play(row, answer);
    if (answer.name === "error-before" || answer.name === "error-first") {
      await expect(started).rejects.toMatchObject({ upstream: { status: answer.status } });
      return;
    }
    const { batches } = await started;
    const seen: unknown[] = [];
    const broken = (async () => {
      for await (const batch of batches) seen.push(...batch.filter((event) => isContent(event)).map((event) => event.case));
    })();
    await expect(broken).rejects.toMatchObject({ failure: "STREAM_INTERRUPTED" });
    expect(seen).toEqual(["partDelta"]);
  });
});
