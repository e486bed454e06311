import { celEnv, CelScalar, mapType, parse, plan, unparse } from "@bufbuild/cel";
import { RE2JS } from "@bufbuild/re2";

import type { CallFacts } from "../core/policy.ts";
import { expectCheap } from "./condition-cost.ts";
import { type Expression, TypeFault, typeOf } from "./condition-types.ts";

const words = mapType(CelScalar.STRING, CelScalar.STRING);

/** What a condition can ask for. */
const variables = {
  model: CelScalar.STRING,
  input_tokens: CelScalar.INT,
  has_tools: CelScalar.BOOL,
  has_images: CelScalar.BOOL,
  streamed: CelScalar.BOOL,
  hour: CelScalar.INT,
  "key.id": CelScalar.STRING,
  "key.name": CelScalar.STRING,
  "key.labels": words,
  tags: words,
} as const;

// RE2, because a pattern may be slow on a caller's words in JavaScript's own expressions, without any bound.
const env = celEnv({ variables, re2: { compile: compiledPattern } });

/** Patterns kept compiled; mostly they are written out in conditions, and then there are few. */
const patternsMax = 256;
const patterns = new Map<string, RE2JS>();

function compiledPattern(pattern: string): RE2JS {
  const known = patterns.get(pattern);
  if (known !== undefined) return known;
  const compiled = RE2JS.compile(pattern);
  if (patterns.size >= patternsMax) patterns.clear();
  patterns.set(pattern, compiled);
  return compiled;
}

/** Longest text of a condition. */
const charactersMax = 4096;

/** What conditions are evaluated against, by the names of the variables; made once a call. */
export type Bindings = Record<"model" | "key.id" | "key.name", string> &
  Record<"input_tokens" | "hour", bigint> &
  Record<"has_tools" | "has_images" | "streamed", boolean> &
  Record<"key.labels" | "tags", ReadonlyMap<string, string>>;

/** A condition that can be asked. */
export interface Condition {
  readonly kind: "condition";
  /** Written out in one way, so that equals can be told. */
  readonly text: string;
  /** Whether it always or never holds, whatever the call; undefined: that hangs on the call. */
  readonly constant: boolean | undefined;
  /** Undefined: it could not be evaluated, as where it asks for a tag that the call has not. */
  readonly holds: (bindings: Bindings) => boolean | undefined;
}

/** Why a text is no condition. */
export interface ConditionFault {
  readonly kind: "fault";
  /** With line and column, where there is a place. */
  readonly message: string;
}

/** Reads, checks and compiles a CEL expression that is true or false. */
export function compileCondition(text: string): Condition | ConditionFault {
  if (text.length > charactersMax) return fault(`expected at most ${charactersMax} characters, got ${text.length}`);
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(text);
  } catch (thrown) {
    return fault(syntaxMessage(thrown));
  }
  try {
    const type = typeOf(env, parsed.expr);
    if (type !== CelScalar.BOOL) return fault(`line 1, column 1: expected true or false, got ${String(type)}`);
    expectCheap(env, parsed.expr);
    const ask = plan(env, parsed);
    const holds = (bindings: Bindings): boolean | undefined => {
      const answer = ask(bindings);
      return typeof answer === "boolean" ? answer : undefined;
    };
    return { kind: "condition", text: unparse(parsed), constant: asksNothing(parsed.expr) ? holds(nothing) : undefined, holds };
  } catch (thrown) {
    if (!(thrown instanceof TypeFault)) return fault("it cannot be compiled");
    const offset = parsed.sourceInfo?.positions[String(thrown.expressionId)];
    return fault(offset === undefined ? thrown.message : `${placeIn(text, offset)}: ${thrown.message}`);
  }
}

/** A call's facts under the names that conditions know them by. */
export function bindingsOf(call: CallFacts): Bindings {
  return {
    model: call.model,
    input_tokens: BigInt(call.inputTokens),
    has_tools: call.hasTools,
    has_images: call.hasImages,
    streamed: call.streamed,
    hour: BigInt(call.hour),
    "key.id": call.key.id,
    "key.name": call.key.name,
    "key.labels": mapOf(call.key.labels),
    tags: mapOf(call.tags),
  };
}

const noWords: ReadonlyMap<string, string> = new Map();

const nothing: Bindings = {
  model: "",
  input_tokens: 0n,
  has_tools: false,
  has_images: false,
  streamed: false,
  hour: 0n,
  "key.id": "",
  "key.name": "",
  "key.labels": noWords,
  tags: noWords,
};

/** A map and no record: a record has what every object has, too. */
function mapOf(record: Readonly<Record<string, string>> | undefined): ReadonlyMap<string, string> {
  if (record === undefined) return noWords;
  const entries = Object.entries(record);
  return entries.length === 0 ? noWords : new Map(entries);
}

/** Whether no variable occurs in it. */
function asksNothing({ exprKind: kind }: Expression): boolean {
  const none = (...parts: (Expression | undefined)[]): boolean => parts.every((part) => part === undefined || asksNothing(part));
  switch (kind.case) {
    case "constExpr":
      return true;
    case "callExpr":
      return none(kind.value.target, ...kind.value.args);
    case "listExpr":
      return none(...kind.value.elements);
    default:
      return false;
  }
}

function fault(message: string): ConditionFault {
  return { kind: "fault", message };
}

/** What the parser says, with the place before it as everywhere else. */
function syntaxMessage(thrown: unknown): string {
  const message = thrown instanceof Error ? thrown.message : "";
  const [, line, column, what] = /^[^]*?<input>:(\d+):(\d+): ([^]*)$/.exec(message) ?? [];
  return what === undefined ? "it cannot be read" : `line ${line}, column ${column}: ${what}`;
}

function placeIn(text: string, offset: number): string {
  const before = text.slice(0, offset).split("\n");
  return `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`;
}
