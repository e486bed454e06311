/** Upstreams that answer with an error: what each means, who is asked next, and how long everybody waits. */
import { expect } from "vitest";
import { canaries } from "./canaries.ts";
import { answered, type Failed, failed } from "./outcome.ts";
import { wellSaid } from "./scene.ts";
import { always, errorJson, http, json, write } from "./steps.ts";
import { type Expectation, faultTable, type FaultRow, refusedOf } from "./table.ts";

const served: Expectation = () => answered(wellSaid, 2);
/** What is wrong is wrong for all that is asked with the same key, for some time. */
const credential = { apart: true, cools: true } as const;
const html = (status: number): Buffer =>
  http(status, { "content-type": "text/html" }, `<html><body><h1>${status}</h1>${canaries.answer}</body></html>`);
/** What a vendor says of the prompt may quote it. */
const quoting = `scripted: ${canaries.answer}`;

/** Any other target may serve the call; alone, the target is asked so many times. */
function movesOn(id: string, fault: string, answer: Buffer, reason: Failed["reason"], attempts: number): FaultRow {
  return { id, fault, script: always(write(answer)), lone: () => failed(reason, attempts), pair: served };
}

/** The caller's own fault: nobody else is asked, and nobody is blamed. */
function callersOwn(id: string, fault: string, answer: Buffer, reason: Failed["reason"]): FaultRow {
  return { id, fault, script: always(write(answer)), lone: () => failed(reason, 1), pair: () => failed(reason, 1) };
}

function ofStatus(status: number, reason: Failed["reason"], attempts: number): FaultRow {
  return movesOn(`U45/${status}`, `status ${status}`, errorJson(status, { message: quoting }), reason, attempts);
}

/** Real bodies of vendors whose account is out of credit. */
const spent: readonly (readonly [vendor: string, status: number, body: unknown])[] = [
  [
    "openai",
    429,
    { error: { message: "You exceeded your current quota.", type: "insufficient_quota", param: null, code: "insufficient_quota" } },
  ],
  [
    "billing",
    400,
    {
      error: {
        message: "Billing hard limit has been reached",
        type: "invalid_request_error",
        param: null,
        code: "billing_hard_limit_reached",
      },
    },
  ],
  ["deepseek", 402, { error: { message: "Insufficient Balance", type: "unknown_error", param: null, code: "invalid_request_error" } }],
  ["openrouter", 402, { error: { code: 402, message: "Insufficient credits", metadata: { error_type: "payment_required" } } }],
];

/** More failures in a row than a breaker stands. */
const failuresInRow = 6;

/** Whether a target is blamed for what it answers: its breaker after so many calls. */
function blamed(row: FaultRow, breaker: 0 | 1): FaultRow {
  return {
    ...row,
    id: `${row.id.split("/")[0]}/breaker`,
    fault: `${row.fault}, ${failuresInRow} times: the breaker ${breaker === 1 ? "opens" : "stays closed"}`,
    protocols: "RG",
    before: async ({ ask }) => {
      for (let i = 0; i < failuresInRow; i++) await ask();
    },
    // With an open breaker the call goes straight to the healthy one.
    pair: (door) => (breaker === 1 ? answered(wellSaid, 1) : (row.pair?.(door) ?? { skip: "the row has no pair" })),
    check: async ({ scene, layout, upstreamModel }) => {
      if (layout === "lone") return;
      const label = { provider: `${row.id.split("/")[0]?.toLowerCase()}-breaker`, model: upstreamModel };
      const metrics = await scene.metrics();
      expect(metrics.text).toContain(`model="${upstreamModel}"`);
      expect(metrics.sum("target_breaker_open", label)).toBe(breaker);
    },
  };
}

const callersRow = callersOwn("U35", "a 400 of the caller's making", errorJson(400, { message: canaries.words }), "INVALID_REQUEST");

const refused: readonly FaultRow[] = [
  blamed(callersRow, 0),
  blamed(ofStatus(500, "UPSTREAM_UNAVAILABLE", 3), 1),
  ...[502, 503, 504].map((status) =>
    movesOn(
      `U30/html${status}`,
      `a web page with status ${status}`,
      html(status),
      status === 503 ? "OVERLOADED" : "UPSTREAM_UNAVAILABLE",
      3,
    ),
  ),
  ...[
    ["empty", ""],
    ["null", "null"],
    ["array", "[]"],
    ["text", '"no"'],
    ["number", "7"],
  ].map(([name = "", body = ""]) =>
    movesOn(
      `U30/${name}`,
      `status 500 with the body ${body === "" ? "of no bytes" : body}`,
      http(500, { "content-type": "application/json" }, body),
      "UPSTREAM_UNAVAILABLE",
      3,
    ),
  ),
  {
    ...callersOwn(
      "U35",
      "a 400 of the caller's making",
      errorJson(400, { message: canaries.words, param: "temperature" }),
      "INVALID_REQUEST",
    ),
    // The upstream's own words about the request reach the caller.
    check: (cell) => expect(refusedOf(cell).body).toContain(canaries.words),
  },
  movesOn(
    "U36/context",
    "a prompt that does not fit",
    errorJson(400, { code: "context_length_exceeded", message: "too long" }),
    "CONTEXT_LENGTH_EXCEEDED",
    1,
  ),
  callersOwn(
    "U36/tokens",
    "more tokens asked for than the model gives",
    errorJson(400, { message: "max_tokens is too large", param: "max_tokens", code: "invalid_value" }),
    "INVALID_REQUEST",
  ),
  movesOn(
    "U36/unsupported",
    "a parameter that the model does not take",
    errorJson(400, { message: "unsupported parameter: 'seed'", param: "seed", code: "unsupported_parameter" }),
    "UNSUPPORTED_FEATURE",
    1,
  ),
  callersOwn(
    "U36/policy",
    "a prompt refused on policy grounds",
    errorJson(400, { message: "rejected", code: "content_policy_violation" }),
    "CONTENT_POLICY",
  ),
  ...spent.map(([vendor, status, body]) => ({
    ...movesOn(`U37/${vendor}`, `credit spent, as ${vendor} says it`, json(body, status), "QUOTA_EXHAUSTED", 1),
    ...credential,
  })),
  {
    ...movesOn(
      "U37/anthropic",
      "credit spent, as Anthropic says it",
      json(
        { type: "error", error: { type: "invalid_request_error", message: "Your credit balance is too low to access the Anthropic API." } },
        400,
      ),
      "QUOTA_EXHAUSTED",
      1,
    ),
    type: "anthropic",
    ...credential,
  },
  ...[401, 403].map((status) => ({
    ...movesOn(
      `U38/${status}`,
      `the provider's key is refused with ${status}`,
      errorJson(status, { message: `Incorrect API key provided: ${canaries.providerKey}` }),
      "UPSTREAM_AUTH",
      1,
    ),
    ...credential,
  })),
  // Our own catalogue offers the model: that the upstream does not know it is the operator's to mend, not the caller's.
  movesOn(
    "U39/model",
    "the upstream does not know the model",
    errorJson(404, { message: "The model does not exist", code: "model_not_found" }),
    "UPSTREAM_UNAVAILABLE",
    1,
  ),
  movesOn("U39/path", "the upstream does not know the path", html(404), "UPSTREAM_UNAVAILABLE", 3),
  movesOn("U40/408", "status 408", errorJson(408), "UPSTREAM_UNAVAILABLE", 3),
  movesOn("U40/409", "status 409", errorJson(409), "UPSTREAM_UNAVAILABLE", 3),
  movesOn("U40/413", "status 413", errorJson(413), "REQUEST_TOO_LARGE", 1),
  callersOwn("U40/422", "status 422", errorJson(422), "INVALID_REQUEST"),
  movesOn("U40/425", "status 425", errorJson(425), "UPSTREAM_UNAVAILABLE", 3),
  movesOn("U40/451", "status 451", errorJson(451), "UPSTREAM_UNAVAILABLE", 3),
  ...[500, 502, 504, 520, 521, 522, 523, 524, 525, 526, 527].map((status) => ofStatus(status, "UPSTREAM_UNAVAILABLE", 3)),
  ...[503, 529].map((status) => ofStatus(status, "OVERLOADED", 3)),
  ...[503, 529].map((status): FaultRow => ({
    ...movesOn(
      `U45/${status}-wait`,
      `status ${status} with retry-after: 40`,
      errorJson(status, {}, { "retry-after": "40" }),
      "OVERLOADED",
      1,
    ),
    cools: true,
    lone: () => failed("OVERLOADED", 1, { waitMs: [38_000, 40_000] }),
  })),
  ...redirects(),
  {
    ...callersOwn(
      "U60/400",
      "a 400 that quotes our key",
      errorJson(400, { message: `bad header: authorization: Bearer ${canaries.providerKey}-u60-400`, param: canaries.callerKey }),
      "INVALID_REQUEST",
    ),
  },
  movesOn(
    "U60/500",
    "a 500 that quotes our key",
    errorJson(500, { message: `bad header: Bearer ${canaries.providerKey}-u60-500 ${canaries.prompt}` }),
    "UPSTREAM_UNAVAILABLE",
    3,
  ),
];

/** None is followed: no second request, and the key goes nowhere. */
function redirects(): readonly FaultRow[] {
  const places = {
    "other-host": "http://localhost:1/v1/chat/completions",
    metadata: "http://169.254.169.254/latest/meta-data",
    loop: "/v1/chat/completions",
    relative: "/elsewhere",
  };
  return [301, 302, 303, 307, 308].flatMap((status) =>
    Object.entries(places).map(([name, location]): FaultRow => ({
      ...movesOn(`U47/${status}-${name}`, `status ${status} to ${name}`, http(status, { location }, ""), "UPSTREAM_PROTOCOL", 1),
      protocols: status === 307 ? "RSUGBW" : "RS",
      check: ({ upstream }) => {
        for (const { head } of upstream.requests) expect(head).toMatch(/^POST \/v1\/chat\/completions /);
        expect(upstream.saw("/elsewhere")).toBe(false);
      },
    })),
  );
}

faultTable("refusals", refused);
