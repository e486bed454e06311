/** Headers of an upstream's answer, in lower case. */
type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** What may say how long to wait. */
export interface WaitFacts {
  /** HTTP status. Reset headers count on a 429 alone: good answers have them too. */
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Headers;
  /** Our own clock, for dates in an answer without one; milliseconds since the Unix epoch. */
  readonly wallMs: number;
  /** What the body asks for, in milliseconds; undefined: nothing. */
  readonly bodyMs?: number | undefined;
}

/** Longest wait that is believed: beyond it an upstream is asked again anyway. Milliseconds. */
const waitMaxMs = 300_000;
/** No sane value is longer. */
const valueLengthMax = 64;

/**
 * Milliseconds after which an upstream wants to be asked again, at most five minutes; undefined: it did not say, or
 * nothing that makes sense. Of several instructions the longest counts; reset times, which tell when a limit is whole
 * again and not when the next request may come, only where there is no instruction.
 */
export function retryAfterMs(facts: WaitFacts): number | undefined {
  const nowMs = clockOf(facts);
  const asked = longest([
    ...each(facts.headers, "retry-after-ms", Number.parseFloat, plain),
    ...each(facts.headers, "x-ms-retry-after-ms", Number.parseFloat, plain),
    ...each(facts.headers, "retry-after", (text) => secondsMs(text) ?? dateMs(text) - nowMs),
    facts.bodyMs ?? Number.NaN,
  ]);
  if (asked !== undefined || facts.status !== 429) return asked;
  return longest(resets.flatMap((reset) => (isSpent(facts.headers, reset.remaining) ? untilReset(facts.headers, reset, nowMs) : [])));
}

/** A span such as `6ms`, `1m30s`, `17.5s`, as Go and Google write it; NaN for anything else. A bare number is seconds. */
export function spanMs(text: string): number {
  const bare = secondsMs(text);
  if (bare !== undefined) return bare;
  const parts = span.exec(text.slice(0, valueLengthMax));
  if (parts === null || text === "") return Number.NaN;
  return units.reduce((sum, ms, i) => sum + ms * Number(parts[i + 1] ?? 0), 0);
}

const span = new RegExp(`^${["h", "m(?!s)", "s", "ms", "[uµμ]s", "ns"].map((unit) => `(?:(\\d+(?:\\.\\d+)?)${unit})?`).join("")}$`);
/** Milliseconds of each group of `span`. */
const units = [3_600_000, 60_000, 1000, 1, 1e-3, 1e-6] as const;

/** A limit's headers. */
interface Reset {
  readonly name: string;
  /** Says how much of the limit is left. */
  readonly remaining: string;
  /** Milliseconds from now; NaN for nonsense. */
  readonly read: (text: string, nowMs: number) => number;
}

const fromNow = (text: string): number => spanMs(text);
const atTimestamp = (text: string, nowMs: number): number => (timestamp.test(text) ? Date.parse(text) - nowMs : Number.NaN);

const resets: readonly Reset[] = [
  // OpenAI, Azure and Groq. https://platform.openai.com/docs/guides/rate-limits
  ...["requests", "tokens"].map((of) => ({ name: `x-ratelimit-reset-${of}`, remaining: `x-ratelimit-remaining-${of}`, read: fromNow })),
  // https://docs.claude.com/en/api/rate-limits
  ...["requests", "tokens", "input-tokens", "output-tokens"].map((of) => ({
    name: `anthropic-ratelimit-${of}-reset`,
    remaining: `anthropic-ratelimit-${of}-remaining`,
    read: atTimestamp,
  })),
  // OpenRouter: a moment. Together: seconds.
  { name: "x-ratelimit-reset", remaining: "x-ratelimit-remaining", read: atEpoch },
  // Mistral: seconds.
  { name: "ratelimitbysize-reset", remaining: "ratelimitbysize-remaining", read: fromNow },
];

const timestamp = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;
const plain = /^\d+(?:\.\d+)?$/;
// Without a zone a date would be read as local time, so the old asctime form is none.
const httpDate = /^[A-Z][a-z]{2,8}, \d\d[ -][A-Z][a-z]{2}[ -]\d{2,4} \d\d:\d\d:\d\d GMT$/;

function secondsMs(text: string): number | undefined {
  return plain.test(text) ? Number(text) * 1000 : undefined;
}

function dateMs(text: string): number {
  return httpDate.test(text) ? Date.parse(text) : Number.NaN;
}

/** Seconds or milliseconds since the Unix epoch, or, where it is too small for that, seconds from now. */
function atEpoch(text: string, nowMs: number): number {
  const value = secondsMs(text);
  if (value === undefined) return Number.NaN;
  if (value < 1e12) return value;
  return value < 1e14 ? value - nowMs : value / 1000 - nowMs;
}

/** The answer's own clock where it has one: ours may differ. */
function clockOf({ headers, wallMs }: WaitFacts): number {
  const [told] = each(headers, "date", dateMs);
  return told === undefined || Number.isNaN(told) ? wallMs : told;
}

/** A limit of which some is left is not the one that was hit. */
function isSpent(headers: Headers, remaining: string): boolean {
  return each(headers, remaining, Number).every((left) => left <= 0);
}

/** A limit that is whole again already says nothing. */
function untilReset(headers: Headers, { name, read }: Reset, nowMs: number): number[] {
  return each(headers, name, (text) => read(text, nowMs)).filter((ms) => ms > 0);
}

/** Each value of a header that may come twice, read; those of another form are left out. */
function each(headers: Headers, name: string, read: (text: string) => number, form?: RegExp): number[] {
  const values = headers[name] ?? [];
  const texts = (typeof values === "string" ? [values] : values).map((text) => text.trim());
  return texts.filter((text) => text.length <= valueLengthMax && (form?.test(text) ?? true)).map((text) => read(text));
}

/** Whole milliseconds; what is negative or no number does not count. */
function longest(waits: readonly number[]): number | undefined {
  const sane = waits.filter((ms) => ms >= 0);
  return sane.length === 0 ? undefined : Math.min(waitMaxMs, Math.ceil(Math.max(...sane)));
}
