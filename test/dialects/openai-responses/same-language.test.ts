/** An upstream of this language behind a door of this language: what it says is what the caller hears. */
import { describe, expect, test } from "vitest";
import { openaiResponses } from "../../../src/dialects/openai-responses/upstream.ts";
import { ask, dataOf, folded, goodStreams, type Json, lastResponse, read, recorded, streamed, written } from "./support.ts";

/** Ids, times and padding are each side's own; what was asked is echoed by the door. */
function told(events: readonly Json[]): Json[] {
  return events.map(({ obfuscation: _padding, sequence_number: _order, ...event }) => {
    if (event["response"] === undefined) return event;
    const { output, usage, status, incomplete_details, service_tier } = event["response"] as Json;
    return { type: event["type"], output, usage, status, incomplete_details, ...(status !== "in_progress" && { service_tier }) };
  });
}

/** The seal of reasoning is told at its end alone: what stands there when it begins means nothing. */
function withoutEarlySeals(event: Json): Json {
  const item = event["item"] as Json | undefined;
  if (event["type"] !== "response.output_item.added" || item?.["type"] !== "reasoning") return event;
  const { encrypted_content: _early, ...rest } = item;
  return { ...event, item: rest };
}

describe.each(goodStreams)("a recorded stream of %s", (name) => {
  const sse = recorded(name);

  test("leaves as the same events in the same order", () => {
    const through = dataOf(written(streamed([sse])));
    expect(told(through)).toEqual(told(dataOf(sse)).map(withoutEarlySeals));
    expect(through.map((event) => event["sequence_number"])).toEqual(through.map((_, i) => i));
  });

  test("is the same answer whole, folded, and as a whole answer of the upstream", () => {
    const response = lastResponse(sse);
    const whole = openaiResponses.decodeResponse(response, {});
    const caller = read(ask());
    const { output, usage, status, incomplete_details } = response;
    for (const answer of [whole, folded(streamed([sse]))])
      expect(JSON.parse(caller.whole(answer))).toMatchObject({ object: "response", output, usage, status, incomplete_details });
  });

  test("survives the way through a second gateway of the same kind", () => {
    const once = written(streamed([sse]));
    expect(folded(streamed([once])).choices).toEqual(folded(streamed([sse])).choices);
  });
});
