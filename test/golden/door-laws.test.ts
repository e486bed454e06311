/** What holds at every REST door of every recorded answer: its stream collects to its whole answer, and an answer unfolded to a stream does, too. */
import { describe, expect, test } from "vitest";
import type { ChatResponse } from "../../src/core/chat.ts";
import { createFolder } from "../../src/core/fold.ts";
import { eventsFromResponse } from "../../src/core/stream.ts";
import { answersOf, failing } from "./answers.ts";
import { collectChunks, collectMessage, collectResponse, type Json } from "./collect.ts";
import { dialects } from "./dialects.ts";
import { doors } from "./doors.ts";
import { eventsOf, play } from "./play.ts";

const collectors: Readonly<Record<string, (sse: string) => Json>> = {
  "openai-chat": collectChunks,
  "openai-responses": collectResponse,
  "anthropic-messages": collectMessage,
};

/** Cases in which a stream cannot be folded without loss, and why. */
const lossy: Readonly<Record<string, string>> = {
  "openai-chat openai-chat reasoning-details": "pieces of a field that nobody here knows can be passed on, but not be put together",
};

/** Where the two forms have to differ: keys that only one of them has, or has in another order, taken away in both. */
function comparable(door: string, answer: Json): unknown {
  const { usage, ...rest } = answer;
  if (door !== "anthropic-messages") return answer;
  // What is told at the start is told for good; whole answers say null where nothing was told.
  return { ...rest, usage: Object.fromEntries(Object.entries(usage as Json).filter(([, value]) => value !== null)) };
}

function foldedOf(events: Parameters<ReturnType<typeof createFolder>["push"]>[0][]): ChatResponse {
  const folder = createFolder();
  for (const event of events) folder.push(event);
  return folder.response();
}

for (const door of doors.filter(({ name }) => collectors[name] !== undefined)) {
  describe.each(dialects)(`at ${door.name}, of $name,`, (row) => {
    const good = answersOf(row).filter(({ name }) => !failing.has(name));
    const collect = collectors[door.name] ?? JSON.parse;

    test.each(good)("$name (streamed: $streamed) is the same, collected and whole", async (answer) => {
      const events = await eventsOf(await play(row, answer));
      const response = foldedOf(structuredClone(events));
      const whole: Json = JSON.parse(door.whole(response));
      const streamed = collect(door.stream(answer.streamed ? events : eventsFromResponse(response), undefined));
      const isLossy = answer.streamed && lossy[`${door.name} ${row.name} ${answer.name}`] !== undefined;
      if (isLossy) expect(streamed).not.toEqual(whole);
      else expect(comparable(door.name, streamed)).toEqual(comparable(door.name, whole));
    });
  });
}
