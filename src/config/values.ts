import { z } from "zod";

import { Secret } from "../core/secret.ts";
import { type Form, numberForm, numberText, patternForm, textForm, wordsForm } from "./forms.ts";

/** A setting that is not there where it must be. */
export const missing = "is required";

/** What is known of a scalar beside how it is read. */
export interface ScalarOptions {
  /** What an editor is told. Default: any text. */
  readonly form?: Form;
  /** Words that a wrong one may have meant. */
  readonly candidates?: readonly string[];
}

/** A scalar: `parse` answers undefined for text that is not `expected`. */
export function scalar<T>(expected: string, parse: (text: string) => T | undefined, { form = textForm, candidates }: ScalarOptions = {}) {
  return z
    .string({ error: wrong(`expected ${expected}`) })
    .transform((text, context): T => {
      const value = parse(text);
      if (value !== undefined) return value;
      context.addIssue({ code: "custom", message: `expected ${expected}`, params: { candidates } });
      return z.NEVER;
    })
    .meta({ ...form });
}

/** Any text. */
export const text = () => scalar("text", (written) => written);

/** One of a few words. */
export function choice<const T extends string>(words: readonly T[]) {
  const find = (written: string): T | undefined => words.find((word) => word === written);
  return scalar(`one of ${words.join(", ")}`, find, { form: wordsForm(words), candidates: words });
}

/** `true` or `false`. */
export function flag() {
  const expected = "true or false";
  const form = patternForm(expected, /^(?:true|false)$/, { type: ["boolean", "string"] });
  return scalar(expected, (written) => (written === "true" ? true : written === "false" ? false : undefined), {
    form,
    candidates: ["true", "false"],
  });
}

/** A number within bounds, both included. */
export function number(min: number, max: number) {
  const bounds = max === Infinity ? (min === -Infinity ? "" : ` of at least ${min}`) : ` from ${min} to ${max}`;
  const expected = `a number${bounds}`;
  return scalar(expected, (written) => within(numberFrom(written), min, max), { form: numberForm(expected, "number", min, max) });
}

/** A whole number within bounds, both included. */
export function whole(min: number, max: number) {
  const bounds = max === Number.MAX_SAFE_INTEGER ? ` of at least ${min}` : ` from ${min} to ${max}`;
  const expected = `a whole number${bounds}`;
  const parse = (written: string): number | undefined => {
    const value = within(numberFrom(written), min, max);
    return Number.isSafeInteger(value) ? value : undefined;
  };
  return scalar(expected, parse, { form: numberForm(expected, "integer", min, max) });
}

/** 0 to 65535; 0: the system chooses. */
export const port = () => whole(0, 65_535);

/** Milliseconds; written `250ms`, `30s`, `5m`, `1h`, `7d`, or several of them in a row. */
export function duration() {
  const expected = "a duration such as 250ms, 30s, 5m or 1h";
  const form = patternForm(expected, new RegExp(`^0$|${durationText.source}`), { type: ["string", "integer"], minimum: 0, maximum: 0 });
  return scalar(expected, millisecondsFrom, { form });
}

/** A duration that is not 0. */
export function positiveDuration() {
  const expected = "a duration above 0 such as 250ms, 30s, 5m or 1h";
  return scalar(expected, (written) => millisecondsFrom(written) || undefined, { form: patternForm(expected, durationText) });
}

/** Bytes; written `16MiB`, `512KiB`, `1GB`, or a plain number of bytes. Not 0. */
export function size() {
  const expected = "a size such as 512KiB or 16MiB";
  const written = /^\d+(?:\.\d+)?\s*(?:(?:[kKmMgG][iI]?)?[bB])?$/;
  return scalar(expected, bytesFrom, { form: patternForm(expected, written, { type: ["string", "number"], exclusiveMinimum: 0 }) });
}

/** A value nobody may print. The one schema of its kind: whoever walks the schema knows secrets by it. */
export function secret() {
  const expected = "visible ASCII characters without spaces";
  return z
    .instanceof(Secret, { error: wrong("expected text") })
    .refine((value) => secretText.test(value.reveal()), { error: `expected ${expected}` })
    .meta({ ...patternForm(expected, secretText, { type: ["string", "number", "boolean"] }) });
}

/** An address that may hold a password, and therefore is a secret. */
export function secretUrl(prefixes: readonly string[]) {
  const expected = prefixes.join(" or ");
  return z
    .instanceof(Secret, { error: wrong("expected text") })
    .refine((value) => prefixes.some((prefix) => value.reveal().startsWith(prefix)), { error: `expected ${expected}` })
    .meta({ ...patternForm(expected, new RegExp(`^(?:${prefixes.join("|")})`)) });
}

/** An http or https address without credentials, query and fragment; without the slash at its end. */
export function httpUrl() {
  const expected = "an http:// or https:// URL without credentials, query or fragment";
  return scalar(expected, httpUrlFrom, { form: patternForm(expected, /^https?:/) });
}

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
  if (!durationText.test(written)) return undefined;
  let sum = 0;
  for (const [, amount, unit] of written.matchAll(/([\d.]+)(ms|[smhd])/g)) sum += Number(amount) * (unitMs.get(unit ?? "") ?? Number.NaN);
  return Number.isSafeInteger(Math.round(sum)) ? Math.round(sum) : undefined;
}

const durationText = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/;

const secretText = /^[\x21-\x7e]+$/;

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
  return numberText.test(written) ? Number(written) : undefined;
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
