import { z } from "zod";

import { Secret } from "../core/secret.ts";

/** A setting that is not there where it must be. */
export const missing = "is required";

/** A scalar: `parse` answers undefined for text that is not `expected`. */
export function scalar<T>(expected: string, parse: (text: string) => T | undefined, candidates?: readonly string[]) {
  return z.string({ error: wrong(`expected ${expected}`) }).transform((text, context): T => {
    const value = parse(text);
    if (value !== undefined) return value;
    context.addIssue({ code: "custom", message: `expected ${expected}`, params: { candidates } });
    return z.NEVER;
  });
}

/** Any text. */
export const text = () => scalar("text", (written) => written);

/** One of a few words. */
export function choice<const T extends string>(words: readonly T[]) {
  return scalar(`one of ${words.join(", ")}`, (written) => words.find((word) => word === written), words);
}

/** `true` or `false`. */
export const flag = () => scalar("true or false", (written) => (written === "true" ? true : written === "false" ? false : undefined));

/** A number within bounds, both included. */
export function number(min: number, max: number) {
  const bounds = max === Infinity ? (min === -Infinity ? "" : ` of at least ${min}`) : ` from ${min} to ${max}`;
  return scalar(`a number${bounds}`, (written) => within(numberFrom(written), min, max));
}

/** A whole number within bounds, both included. */
export function whole(min: number, max: number) {
  const bounds = max === Number.MAX_SAFE_INTEGER ? ` of at least ${min}` : ` from ${min} to ${max}`;
  return scalar(`a whole number${bounds}`, (written) => {
    const value = within(numberFrom(written), min, max);
    return Number.isSafeInteger(value) ? value : undefined;
  });
}

/** 0 to 65535; 0: the system chooses. */
export const port = () => whole(0, 65_535);

/** Milliseconds; written `250ms`, `30s`, `5m`, `1h`, `7d`, or several of them in a row. */
export const duration = () => scalar("a duration such as 250ms, 30s, 5m or 1h", millisecondsFrom);

/** A duration that is not 0. */
export const positiveDuration = () =>
  scalar("a duration above 0 such as 250ms, 30s, 5m or 1h", (written) => millisecondsFrom(written) || undefined);

/** Bytes; written `16MiB`, `512KiB`, `1GB`, or a plain number of bytes. Not 0. */
export const size = () => scalar("a size such as 512KiB or 16MiB", bytesFrom);

/** A value nobody may print. The one schema of its kind: whoever walks the schema knows secrets by it. */
export function secret() {
  return z
    .instanceof(Secret, { error: wrong("expected text") })
    .refine((value) => /^[\x21-\x7e]+$/.test(value.reveal()), { error: "expected visible ASCII characters without spaces" });
}

/** An address that may hold a password, and therefore is a secret. */
export function secretUrl(prefixes: readonly string[]) {
  return z
    .instanceof(Secret, { error: wrong("expected text") })
    .refine((value) => prefixes.some((prefix) => value.reveal().startsWith(prefix)), { error: `expected ${prefixes.join(" or ")}` });
}

/** An http or https address without credentials, query and fragment; without the slash at its end. */
export const httpUrl = () => scalar("an http:// or https:// URL without credentials, query or fragment", httpUrlFrom);

/** A list. */
export function list<S extends z.ZodType>(item: S) {
  return z.array(item, { error: wrong("expected a list") });
}

/** A map from names of the operator's own. */
export function named<S extends z.ZodType>(value: S) {
  return z.record(z.string(), value, { error: wrong("expected a map of names") });
}

/** A map with fixed names; any other is an error. What an unknown name could have meant is carried in the issue's message. */
export function section<S extends z.ZodRawShape>(shape: S) {
  return z.strictObject(shape, {
    error: (issue) => (issue.code === "unrecognized_keys" ? Object.keys(shape).join(" ") : wrong("expected a map")(issue)),
  });
}

/** Milliseconds of a written duration; undefined: it is none. */
export function millisecondsFrom(written: string): number | undefined {
  if (written === "0") return 0;
  if (!/^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/.test(written)) return undefined;
  let sum = 0;
  for (const [, amount, unit] of written.matchAll(/([\d.]+)(ms|[smhd])/g)) sum += Number(amount) * (unitMs.get(unit ?? "") ?? Number.NaN);
  return Number.isSafeInteger(Math.round(sum)) ? Math.round(sum) : undefined;
}

const unitMs = new Map([
  ["ms", 1],
  ["s", 1000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
]);

const unitBytes = new Map([
  ["", 1],
  ["b", 1],
  ["kb", 1e3],
  ["mb", 1e6],
  ["gb", 1e9],
  ["kib", 2 ** 10],
  ["mib", 2 ** 20],
  ["gib", 2 ** 30],
]);

function bytesFrom(written: string): number | undefined {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(written) ?? [];
  const bytes = Math.round(Number(amount) * (unitBytes.get((unit ?? "").toLowerCase()) ?? Number.NaN));
  return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : undefined;
}

function numberFrom(written: string): number | undefined {
  return /^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/.test(written) ? Number(written) : undefined;
}

function within(value: number | undefined, min: number, max: number): number | undefined {
  return value !== undefined && value >= min && value <= max ? value : undefined;
}

function httpUrlFrom(written: string): string | undefined {
  const url = URL.parse(written);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) return undefined;
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") return undefined;
  return written.replace(/\/+$/, "");
}

function wrong(message: string): (issue: { readonly input?: unknown }) => string {
  return (issue) => (issue.input === undefined ? missing : message);
}
