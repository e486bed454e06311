import { type CelEnv, CelScalar, type CelType, listType, mapType, type parse } from "@bufbuild/cel";
import { RE2JS } from "@bufbuild/re2";

/** An expression's tree. */
export type Expression = ReturnType<typeof parse>["expr"];

/** What is wrong with a part of an expression. */
export class TypeFault extends Error {
  /** Of the part; the source's positions go by it. */
  readonly expressionId: bigint;

  constructor(message: string, { id }: Expression) {
    super(message);
    this.expressionId = id;
  }
}

/** What a name within a macro means, before what the environment says of it. */
type Locals = ReadonlyMap<string, CelType>;

const { BOOL, BYTES, DOUBLE, DYN, INT, NULL, STRING, UINT } = CelScalar;
const numbers: ReadonlySet<string> = new Set([INT.name, UINT.name, DOUBLE.name]);

/**
 * The type of an expression by the environment's variables and functions. Throws a TypeFault at the first name that is not known and
 * the first function that does not take what it is given. The library's own checker knows no calls yet.
 */
export function typeOf(env: CelEnv, expression: Expression, locals: Locals = new Map()): CelType {
  const { exprKind: kind } = expression;
  const inner = (each: Expression | undefined): CelType => (each === undefined ? DYN : typeOf(env, each, locals));
  switch (kind.case) {
    case "constExpr":
      return constantTypes[kind.value.constantKind.case ?? "nullValue"];
    case "identExpr":
    case "selectExpr":
      return nameType(env, expression, locals);
    case "listExpr":
      return listType(common(kind.value.elements.map(inner)));
    case "structExpr": {
      if (kind.value.messageName !== "") throw new TypeFault(`there is no message ${kind.value.messageName}`, expression);
      for (const { keyKind } of kind.value.entries) if (keyKind.case === "mapKey") inner(keyKind.value);
      return mapType(STRING, common(kind.value.entries.map(({ value }) => inner(value))));
    }
    case "comprehensionExpr": {
      const { iterVar, iterVar2, iterRange, accuVar, accuInit, loopStep, result } = kind.value;
      const range = inner(iterRange);
      if (range.kind !== "list" && range.kind !== "map" && range !== DYN)
        throw new TypeFault(`${String(range)} has no elements`, expression);
      const element = range.kind === "list" ? range.element : range.kind === "map" ? range.key : DYN;
      const within = new Map([...locals, [iterVar, element], [accuVar, inner(accuInit)]]);
      if (iterVar2 !== "") within.set(iterVar2, range.kind === "map" ? range.value : DYN);
      const step = loopStep === undefined ? DYN : typeOf(env, loopStep, within);
      return result === undefined ? step : typeOf(env, result, within);
    }
    case "callExpr":
      if (kind.value.function === "matches") expectPattern(kind.value.args.at(-1));
      return callType(env, expression, { name: kind.value.function, target: kind.value.target, args: kind.value.args.map(inner) }, locals);
    default:
      throw new TypeFault("this is no expression", expression);
  }
}

const constantTypes = {
  nullValue: NULL,
  boolValue: BOOL,
  int64Value: INT,
  uint64Value: UINT,
  doubleValue: DOUBLE,
  stringValue: STRING,
  bytesValue: BYTES,
  durationValue: DYN,
  timestampValue: DYN,
} as const;

/** A variable, whose name may have dots in it, or a field of something. */
function nameType(env: CelEnv, expression: Expression, locals: Locals): CelType {
  const { exprKind: kind } = expression;
  const name = dottedName(expression);
  const known = name === undefined ? undefined : (locals.get(name) ?? env.variables.find(name));
  if (known !== undefined) return known;
  if (kind.case !== "selectExpr" || kind.value.operand === undefined) {
    if (name !== undefined && typeNames.has(name)) return CelScalar.TYPE;
    throw new TypeFault(`there is no variable ${name ?? ""}`, expression);
  }
  const { operand, field, testOnly } = kind.value;
  const prefix = dottedName(operand);
  if (prefix !== undefined && isPrefix(env, prefix)) throw new TypeFault(`there is no variable ${prefix}.${field}`, expression);
  const of = typeOf(env, operand, locals);
  if (of !== DYN && of.kind !== "map") throw new TypeFault(`${String(of)} has no field ${field}`, expression);
  if (testOnly) return BOOL;
  return of.kind === "map" ? of.value : DYN;
}

const typeNames: ReadonlySet<string> = new Set(["bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type", "type"]);

/** Whether some variable's name goes on after this and a dot. */
function isPrefix({ variables }: CelEnv, name: string): boolean {
  for (const [known] of variables) if (known.startsWith(`${name}.`)) return true;
  return false;
}

/** A variable's name, which may have dots in it; undefined: it is not made of names alone. */
export function dottedName({ exprKind: kind }: Expression): string | undefined {
  if (kind.case === "identExpr") return kind.value.name;
  if (kind.case !== "selectExpr" || kind.value.testOnly || kind.value.operand === undefined) return undefined;
  const prefix = dottedName(kind.value.operand);
  return prefix === undefined ? undefined : `${prefix}.${kind.value.field}`;
}

/** A pattern that is written out is either good or never will be. */
function expectPattern(pattern: Expression | undefined): void {
  const { case: kind, value } = pattern?.exprKind ?? {};
  if (pattern === undefined || kind !== "constExpr" || value?.constantKind.case !== "stringValue") return;
  try {
    RE2JS.compile(value.constantKind.value);
  } catch {
    throw new TypeFault("this is no regular expression of RE2", pattern);
  }
}

interface FunctionCall {
  readonly name: string;
  readonly target: Expression | undefined;
  readonly args: readonly CelType[];
}

function callType(env: CelEnv, expression: Expression, call: FunctionCall, locals: Locals): CelType {
  const { name, args } = call;
  const [first = DYN, second = DYN, third = DYN] = args;
  const refused = (): TypeFault => new TypeFault(`${functionWord(name)} does not take ${args.map(String).join(" and ")}`, expression);
  switch (name) {
    case "_&&_":
    case "_||_":
    case "@not_strictly_false":
      if (!args.every((each) => fits(each, BOOL))) throw refused();
      return BOOL;
    case "_?_:_":
      if (!fits(first, BOOL)) throw refused();
      return common([second, third]);
    case "_[_]":
      if (first.kind === "map" && fits(second, first.key)) return first.value;
      if (first.kind === "list" && fits(second, INT)) return first.element;
      if (first === DYN) return DYN;
      throw refused();
    case "_==_":
    case "_!=_":
      if (!comparable(first, second)) throw refused();
      return BOOL;
    case "@in": {
      const among = second.kind === "list" ? second.element : second.kind === "map" ? second.key : second;
      if (second !== DYN && second.kind === "scalar") throw refused();
      if (!comparable(first, among)) throw refused();
      return BOOL;
    }
    default:
      return overloadType(env, expression, call, locals);
  }
}

function overloadType(env: CelEnv, expression: Expression, { name, target, args }: FunctionCall, locals: Locals): CelType {
  const group = env.funcs.find(name);
  if (group === undefined) throw new TypeFault(`there is no function ${name}`, expression);
  const on = target && typeOf(env, target, locals);
  const results: CelType[] = [];
  for (const each of group) {
    if ((each.target === undefined) !== (on === undefined) || each.arguments.length !== args.length) continue;
    if (each.target !== undefined && on !== undefined && !fits(on, each.target)) continue;
    if (each.arguments.every((wanted, index) => fits(args[index] ?? DYN, wanted))) results.push(each.result);
  }
  const given = [...(on === undefined ? [] : [String(on)]), ...args.map(String)].join(" and ");
  if (results.length === 0) throw new TypeFault(`${functionWord(name)} does not take ${given || "nothing"}`, expression);
  return name === "_+_" && args[0]?.kind === "list" ? args[0] : common(results);
}

/** `_==_` as it is written: `==`. */
function functionWord(name: string): string {
  const word = name.replaceAll("_", "").replace("@", "");
  return /^\W+$/.test(word) ? word : name.replace("@", "");
}

/** Whether a value of the one type may stand where the other is wanted; what is not known may be anything. */
function fits(given: CelType, wanted: CelType): boolean {
  if (given === DYN || wanted === DYN) return true;
  if (given.kind === "list" && wanted.kind === "list") return fits(given.element, wanted.element);
  if (given.kind === "map" && wanted.kind === "map") return fits(given.key, wanted.key) && fits(given.value, wanted.value);
  return given.kind === wanted.kind && given.name === wanted.name;
}

/** Numbers of all kinds can be compared. */
function comparable(one: CelType, other: CelType): boolean {
  return fits(one, other) || (numbers.has(one.name) && numbers.has(other.name));
}

/** What all are; `dyn` where they differ. */
function common(types: readonly CelType[]): CelType {
  const [first = DYN, ...others] = types;
  return others.every((each) => each !== DYN && fits(each, first)) ? first : DYN;
}
