/** The recorded answers under `answers/`: `<case>.json` whole, `.sse` or `.events` streamed, `.http` an error with its status. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { frame } from "../support/event-frames.ts";
import type { DialectRow } from "./dialects.ts";

/** A recorded answer, as it comes from the wire. */
export interface Answer {
  /** Name of the case. */
  readonly name: string;
  readonly streamed: boolean;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
  /** The same, cut behind each event of a stream. */
  readonly pieces: readonly Buffer[];
}

/** What every dialect has, unless `absent` says why not. */
export const expected = [
  "text",
  "tools",
  "parallel-tools",
  "reasoning",
  "refusal",
  "json-schema",
  "usage-cache",
  "length",
  "error-before",
  "error-first",
  "error-inside",
] as const;

/** Why a dialect lacks a case. */
export const absent: Readonly<Record<string, Readonly<Partial<Record<(typeof expected)[number], string>>>>> = {
  cohere: { refusal: "Cohere has neither a word for a refusal nor a filter's finish reason; a blocked prompt is an HTTP error" },
};

/** Cases whose stream, or whole answer, is an error in the place of an answer, or ends in one. */
export const failing: ReadonlySet<string> = new Set(["error-before", "error-first", "error-inside", "timeout"]);

const folder = (name: string): URL => new URL(`answers/${name}/`, import.meta.url);

/** All recorded answers of a dialect, in the order of their names. */
export function answersOf({ name }: DialectRow): readonly Answer[] {
  return readdirSync(folder(name))
    .toSorted()
    .map((file) => answerIn(name, file));
}

/** The two forms of one case; undefined where there is none. */
export function answerOf({ name }: DialectRow, of: string, streamed: boolean): Answer | undefined {
  const endings = streamed ? ["sse", "events"] : ["json", "http"];
  const file = endings.map((ending) => `${of}.${ending}`).find((each) => existsSync(new URL(each, folder(name))));
  return file === undefined ? undefined : answerIn(name, file);
}

function answerIn(dialect: string, file: string): Answer {
  const bytes = readFileSync(new URL(file, folder(dialect)));
  const [name = "", ending = ""] = file.split(".");
  switch (ending) {
    case "json":
      return { name, streamed: false, ...plain, ...joined([bytes]) };
    case "sse":
      return { name, streamed: true, ...plain, ...joined(eventsIn(bytes.toString("utf8"))) };
    case "events":
      return { name, streamed: true, ...plain, ...joined(framesIn(bytes.toString("utf8"))) };
    case "http":
      return { name, streamed: false, ...httpIn(bytes.toString("utf8")) };
    default:
      throw new Error(`answers/${dialect}/${file} has an ending that says nothing`);
  }
}

const plain = { status: 200, headers: {} } as const;

function joined(pieces: readonly Buffer[]): Pick<Answer, "bytes" | "pieces"> {
  return { bytes: Buffer.concat(pieces), pieces };
}

/** Each with its blank line. */
function eventsIn(text: string): readonly Buffer[] {
  return text.split(/(?<=\n\n)/).map((event) => Buffer.from(event));
}

/** A line an event, `name {json}`, as binary frames. */
function framesIn(text: string): readonly Buffer[] {
  const lines = text.split("\n").filter((line) => line !== "");
  return lines.map((line) => {
    const at = line.indexOf(" ");
    const name = line.slice(0, at);
    const kind = name.endsWith("Exception") ? "exception" : "event";
    return frame({ [`:${kind}-type`]: name, ":content-type": "application/json", ":message-type": kind }, line.slice(at + 1));
  });
}

/** An answer as RFC 9112 writes it. */
function httpIn(text: string): Omit<Answer, "name" | "streamed"> {
  const end = text.indexOf("\n\n");
  const [first = "", ...lines] = text.slice(0, end).split("\n");
  const headers = lines.map((line) => {
    const at = line.indexOf(": ");
    return [line.slice(0, at), line.slice(at + 2)];
  });
  return { status: Number(first.split(" ")[1]), headers: Object.fromEntries(headers), ...joined([Buffer.from(text.slice(end + 2))]) };
}
