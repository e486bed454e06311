/** Row 5 of the conformance checklist (wire protocols, 10): what each failure is to the official SDKs, and how often they ask again. */
import Anthropic, { APIError as AnthropicError } from "@anthropic-ai/sdk";
import OpenAI, { APIError } from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Listener } from "../../src/server/listen.ts";
import { anthropicWords, openFailing, type OutcomeRow, outcomes } from "../server/failing-doors.ts";

let listener: Listener;
/** What the SDK said of how often it had asked before. */
const asked: (string | undefined)[] = [];
beforeAll(async () => {
  listener = await openFailing((headers) => asked.push(String(headers["x-stainless-retry-count"])));
});
beforeEach(() => void (asked.length = 0));
afterAll(() => listener.close());

const classes: Readonly<Record<number, string>> = {
  400: "BadRequestError",
  401: "AuthenticationError",
  403: "PermissionDeniedError",
  404: "NotFoundError",
  413: "APIError",
  429: "RateLimitError",
};
/** Where Anthropic's SDK knows it more exactly. */
const anthropicClasses: Readonly<Record<number, string>> = {
  413: "ContentTooLargeError",
  503: "ServiceUnavailableError",
  504: "GatewayTimeoutError",
  529: "OverloadedError",
};
const classOf = (status: number): string => classes[status] ?? "InternalServerError";

/** 5xx and 429 are asked again, as often as the SDK is told to, unless the answer says not to. */
const asksAgain = ({ retry }: OutcomeRow, status: number): boolean => retry !== "never" && (status >= 500 || status === 429);

const failed = (ask: Promise<unknown>): Promise<unknown> =>
  ask.then(
    () => "answered",
    (thrown: unknown) => thrown,
  );

/** A wait of a millisecond, where there is one: the SDKs wait as long as they are told. */
const modelOf = ({ failure }: OutcomeRow): string => `${failure}@1`;
// In a stream that has begun, or told to nobody: rows 7 to 9 have them.
const statuses = outcomes.filter(({ failure }) => failure !== "STREAM_INTERRUPTED" && failure !== "CANCELLED");

describe("10.5 a failure and the SDKs", () => {
  test.each(statuses)("10.5 $failure by the openai package", async (row) => {
    const openai = new OpenAI({ baseURL: `${listener.url}/v1`, apiKey: "any", maxRetries: 1 });
    const ask = openai.chat.completions.create({ model: modelOf(row), messages: [{ role: "user", content: "hello" }] });
    const error = await failed(ask);
    if (!(error instanceof APIError)) throw error;
    expect([error.constructor.name, error.status, error.code, error.type]).toEqual([classOf(row.http), row.http, row.code, row.type]);
    expect(error.requestID).toBe("01936d9e-0000-7000-8000-000000000000");
    expect(asked).toEqual(asksAgain(row, row.http) ? ["0", "1"] : ["0"]);
  });

  test.each(statuses)("10.5 $failure by the Anthropic SDK", async (row) => {
    const [type, status = row.http] = anthropicWords[row.failure] ?? ["api_error"];
    const anthropic = new Anthropic({ baseURL: listener.url, apiKey: "any", maxRetries: 1 });
    const ask = anthropic.messages.create({ model: modelOf(row), max_tokens: 9, messages: [{ role: "user", content: "hello" }] });
    const error = await failed(ask);
    if (!(error instanceof AnthropicError)) throw error;
    expect([error.constructor.name, error.status, error.type]).toEqual([anthropicClasses[status] ?? classOf(status), status, type]);
    expect(error.requestID).toBe("01936d9e-0000-7000-8000-000000000000");
    expect(asked).toEqual(asksAgain(row, status) ? ["0", "1"] : ["0"]);
  });
});
