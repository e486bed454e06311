import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { retryAfterMs, spanMs } from "../../src/core/retry-after.ts";

type Headers = Readonly<Record<string, string | string[]>>;

/** Our clock: half an hour behind that of the answers that have one. */
const wallMs = Date.parse("2026-11-23T09:30:00Z");
const date = "Mon, 23 Nov 2026 10:00:00 GMT";
const wait = (headers: Headers, status = 429, bodyMs?: number): number | undefined => retryAfterMs({ status, headers, wallMs, bodyMs });

describe("the wait of a 429", () => {
  const table: readonly { name: string; headers: Headers; ms: number | undefined }[] = [
    { name: "none", headers: {}, ms: undefined },
    { name: "seconds", headers: { "retry-after": "7" }, ms: 7000 },
    { name: "a fraction of a second", headers: { "retry-after": " 0.5 " }, ms: 500 },
    { name: "none at all", headers: { "retry-after": "0" }, ms: 0 },
    { name: "milliseconds", headers: { "retry-after-ms": "150.4" }, ms: 151 },
    { name: "Azure's milliseconds", headers: { "x-ms-retry-after-ms": "1200" }, ms: 1200 },
    { name: "the longer of two spellings", headers: { "retry-after-ms": "150", "retry-after": "2" }, ms: 2000 },
    { name: "the longer of two headers of one name", headers: { "retry-after": ["3", "5"] }, ms: 5000 },
    { name: "the one of two that makes sense", headers: { "retry-after": ["soon", "5"] }, ms: 5000 },
    { name: "a date, against the answer's own clock", headers: { "retry-after": "Mon, 23 Nov 2026 10:00:30 GMT", date }, ms: 30_000 },
    { name: "an old date, against the answer's own clock", headers: { "retry-after": "Monday, 23-Nov-26 10:00:30 GMT", date }, ms: 30_000 },
    { name: "a date, against ours", headers: { "retry-after": "Mon, 23 Nov 2026 09:30:30 GMT" }, ms: 30_000 },
    {
      name: "a date, against ours where the answer's is nonsense",
      headers: { "retry-after": "Mon, 23 Nov 2026 09:30:30 GMT", date: "now" },
      ms: 30_000,
    },
    { name: "a date that is over", headers: { "retry-after": "Mon, 23 Nov 2026 09:59:59 GMT", date }, ms: undefined },
    { name: "a date of no known form", headers: { "retry-after": "2026-11-23T10:00:30Z", date }, ms: undefined },
    { name: "a negative number", headers: { "retry-after": "-3", "retry-after-ms": "-1" }, ms: undefined },
    { name: "words", headers: { "retry-after": "soon", "retry-after-ms": "NaN" }, ms: undefined },
    { name: "hexadecimal", headers: { "retry-after": "0x10" }, ms: undefined },
    { name: "infinity", headers: { "retry-after": "Infinity" }, ms: undefined },
    { name: "a number too long to be meant", headers: { "retry-after": "1".repeat(65) }, ms: undefined },
    { name: "99999999 seconds", headers: { "retry-after": "99999999" }, ms: 300_000 },
    { name: "more milliseconds than a timer holds", headers: { "retry-after-ms": "99999999999999" }, ms: 300_000 },
    { name: "OpenAI's reset of requests", headers: { "x-ratelimit-reset-requests": "6ms", "x-ratelimit-remaining-requests": "0" }, ms: 6 },
    { name: "OpenAI's reset of tokens", headers: { "x-ratelimit-reset-tokens": "1m30s", "x-ratelimit-remaining-tokens": "0" }, ms: 90_000 },
    { name: "a reset that does not say what is left", headers: { "x-ratelimit-reset-tokens": "1s" }, ms: 1000 },
    {
      name: "the reset of a limit of which some is left",
      headers: { "x-ratelimit-reset-tokens": "1s", "x-ratelimit-remaining-tokens": "5" },
      ms: undefined,
    },
    {
      name: "the reset of the one limit that was hit",
      headers: {
        "x-ratelimit-reset-requests": "4m",
        "x-ratelimit-remaining-requests": "14370",
        "x-ratelimit-reset-tokens": "7.66s",
        "x-ratelimit-remaining-tokens": "0",
      },
      ms: 7660,
    },
    { name: "the later of two resets", headers: { "x-ratelimit-reset-requests": "2s", "x-ratelimit-reset-tokens": "5s" }, ms: 5000 },
    { name: "an instruction, where a reset says more", headers: { "x-ratelimit-reset-requests": "1m", "retry-after-ms": "120" }, ms: 120 },
    { name: "Azure's reset of -1", headers: { "x-ratelimit-reset-requests": "-1", "x-ratelimit-remaining-requests": "-1" }, ms: undefined },
    { name: "a reset that was", headers: { "x-ratelimit-reset-requests": "0s" }, ms: undefined },
    {
      name: "Anthropic's reset",
      headers: {
        "anthropic-ratelimit-input-tokens-reset": "2026-11-23T10:00:12Z",
        "anthropic-ratelimit-input-tokens-remaining": "0",
        date,
      },
      ms: 12_000,
    },
    {
      name: "Anthropic's reset of what is left",
      headers: { "anthropic-ratelimit-requests-reset": "2026-11-23T10:00:12Z", "anthropic-ratelimit-requests-remaining": "49", date },
      ms: undefined,
    },
    {
      name: "Anthropic's reset in the past",
      headers: { "anthropic-ratelimit-requests-reset": "2026-11-23T09:00:12Z", date },
      ms: undefined,
    },
    {
      name: "OpenRouter's reset in milliseconds",
      headers: { "x-ratelimit-reset": String(wallMs + 4000), "x-ratelimit-remaining": "0" },
      ms: 4000,
    },
    { name: "a reset in seconds of the epoch", headers: { "x-ratelimit-reset": String(wallMs / 1000 + 4) }, ms: 4000 },
    { name: "Together's reset in seconds", headers: { "x-ratelimit-reset": "4" }, ms: 4000 },
    { name: "Mistral's reset", headers: { "ratelimitbysize-reset": "38", "ratelimitbysize-remaining": "0" }, ms: 38_000 },
  ];
  for (const { name, headers, ms } of table) test(`is read from ${name}`, () => expect(wait(headers)).toBe(ms));
});

test("resets count on a 429 only, as other answers have them too; instructions on any", () => {
  expect(wait({ "x-ratelimit-reset-requests": "6s" }, 503)).toBeUndefined();
  expect(wait({ "retry-after": "6" }, 503)).toBe(6000);
});

test("what the body says is one instruction of several", () => {
  expect(wait({}, 429, 17_200.5)).toBe(17_201);
  expect(wait({ "retry-after": "30" }, 429, 17_000)).toBe(30_000);
  expect(wait({ "x-ratelimit-reset-requests": "1m" }, 429, 17_000)).toBe(17_000);
  expect(wait({}, 429, Number.POSITIVE_INFINITY)).toBe(300_000);
  expect(wait({}, 429, Number.NaN)).toBeUndefined();
});

test.each([
  ["6ms", 6],
  ["1s", 1000],
  ["1m30s", 90_000],
  ["6m0s", 360_000],
  ["2h3m", 7_380_000],
  ["17.5s", 17_500],
  ["500µs", 0.5],
  ["250us", 0.25],
  ["12", 12_000],
  ["", Number.NaN],
  ["s", Number.NaN],
  ["1x", Number.NaN],
  ["-1s", Number.NaN],
  ["1s1m", Number.NaN],
])("the span %j is %d ms", (text, ms) => expect(spanMs(text)).toBe(ms));

const names = [
  "retry-after",
  "retry-after-ms",
  "x-ms-retry-after-ms",
  "x-ratelimit-reset-requests",
  "x-ratelimit-reset-tokens",
  "x-ratelimit-reset",
  "x-ratelimit-remaining",
  "anthropic-ratelimit-tokens-reset",
  "date",
] as const;

test("no headers make anything but a whole number between 0 and 300,000, or nothing", () => {
  const value = fc.oneof(
    fc.string(),
    fc.double().map(String),
    fc.integer().map(String),
    fc.date().map((at) => (Number.isNaN(at.getTime()) ? "" : at.toUTCString())),
    fc.date({ noInvalidDate: true }).map((at) => at.toISOString()),
    fc.stringMatching(/^(\d{1,3}h)?(\d{1,3}m)?(\d{1,3}(\.\d{1,3})?s)?$/),
  );
  const headers = fc.dictionary(fc.constantFrom(...names), fc.oneof(value, fc.array(value, { maxLength: 3 })));
  fc.assert(
    fc.property(headers, fc.constantFrom(429, 503, 200), fc.option(fc.double(), { nil: undefined }), (given, status, bodyMs) => {
      const ms = retryAfterMs({ status, headers: given, wallMs, bodyMs });
      expect(ms === undefined || (Number.isInteger(ms) && ms >= 0 && ms <= 300_000)).toBe(true);
    }),
    { numRuns: 2000 },
  );
});

for (const [name, text] of [
  ["retry-after", String],
  ["retry-after-ms", String],
  ["x-ratelimit-reset-tokens", (n: number) => `${n}s`],
  ["x-ratelimit-reset-requests", (n: number) => `${n}ms`],
] as const)
  test(`asked by ${name} to wait longer, nobody waits shorter`, () => {
    fc.assert(
      fc.property(fc.nat(1_000_000), fc.nat(1_000_000), (a, b) => {
        const [shorter, longer] = [Math.min(a, b), Math.max(a, b)].map((n) => wait({ [name]: text(n) }));
        expect(shorter ?? 0).toBeLessThanOrEqual(longer ?? 0);
      }),
    );
  });

test("a further instruction never makes the wait shorter", () => {
  const seconds = fc.nat(400);
  fc.assert(
    fc.property(seconds, seconds, (a, b) => {
      expect(wait({ "retry-after": String(a), "retry-after-ms": String(b * 1000) })).toBe(Math.min(300_000, Math.max(a, b) * 1000));
    }),
  );
});
