/** The contract's table of outcomes, row by row, as it leaves by each door: written down a second time on purpose. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ErrorReason } from "../../src/core/chat.ts";
import type { Listener } from "../../src/server/listen.ts";
import { doorClients, refusal } from "../e2e/doors.ts";
import { messagesDoors } from "../e2e/messages-door.ts";
import { anthropicWords, openFailing, type OutcomeRow, outcomes } from "./failing-doors.ts";

const waits: readonly (number | undefined)[] = [undefined, 0, 1, 999.5, 1000, 1234.2, 300_000];
/** Milliseconds that an error with this wait asks for; undefined: it asks for none. */
const askedMs = ({ retry }: OutcomeRow, waitMs = 1000): number | undefined => (retry === "waits" ? Math.ceil(waitMs) : undefined);

test("every failure of the proto has its row", () => {
  const names = Object.keys(ErrorReason).filter((name) => name !== "UNSPECIFIED");
  expect(outcomes.map(({ failure }) => failure).toSorted()).toEqual(names.toSorted());
});

describe.each([...doorClients, ...messagesDoors])("by $name", (client) => {
  let listener: Listener;
  beforeAll(async () => {
    listener = await openFailing();
  });
  afterAll(() => listener.close());

  test.each(outcomes)("$failure is told with its status, its words, and what to do about it", async (expected) => {
    for (const waitMs of waits) {
      const model = `${expected.failure}@${waitMs ?? ""}`;
      const refused = await refusal(client.ask(listener.url, { model }));
      const { rest } = client;
      const anthropic = client.door === "anthropic";
      const [type, http = expected.http] = anthropicWords[expected.failure] ?? ["api_error"];
      const restWords = anthropic ? [http, type] : [expected.http, expected.code];
      expect([refused.status, refused.word]).toEqual(rest ? restWords : [expected.grpc, expected.failure]);
      const text = expected.failure === "INTERNAL" ? "internal error" : "what went wrong";
      if (anthropic) {
        const requestId = refused.headers.get("request-id");
        expect(requestId).toMatch(/^[\da-f-]{36}$/);
        expect(JSON.parse(refused.body)).toEqual({ type: "error", error: { type, message: text }, request_id: requestId });
      } else if (rest) {
        const error = { message: text, type: expected.type, param: "messages[0]", code: expected.code };
        expect(JSON.parse(refused.body).error).toEqual(error);
      } else expect(refused.body).toBe(text);

      const ms = askedMs(expected, waitMs);
      const told = {
        shouldRetry: refused.headers.get("x-should-retry"),
        seconds: refused.headers.get("retry-after"),
        ms: refused.headers.get("retry-after-ms"),
        pushback: refused.headers.get("grpc-retry-pushback-ms"),
        info: refused.retryMs,
      };
      const never = expected.retry === "never";
      expect(told).toEqual({
        shouldRetry: never ? "false" : null,
        seconds: ms === undefined ? null : String(Math.ceil(ms / 1000)),
        ms: ms === undefined ? null : String(ms),
        pushback: rest ? null : never ? "-1" : ms === undefined ? null : String(ms),
        info: rest ? undefined : ms,
      });
    }
  });
});
