import { type CelEnv } from "@bufbuild/cel";
import { dottedName, type Expression, TypeFault } from "./condition-types.ts";

/** Parts of a condition that are looked at for one call, at most. */
const stepsMax = 10_000;
/** Entries counted for a map whose size hangs on the call: as many as tags may have. */
const entriesCounted = 16;

/**
 * Refuses what could keep the process busy: macros within macros multiply, and chained ones double what they hand on. Throws a TypeFault
 * at a macro over something whose elements cannot be counted beforehand.
 */
export function expectCheap(env: CelEnv, expression: Expression): void {
  const steps = stepsOf(env, expression);
  if (steps > stepsMax) throw new TypeFault(`it may take ${steps} steps, and ${stepsMax} are the most`, expression);
}

function stepsOf(env: CelEnv, { exprKind: kind }: Expression): number {
  const of = (each: Expression | undefined): number => (each === undefined ? 0 : stepsOf(env, each));
  const sum = (list: readonly (Expression | undefined)[]): number => list.reduce((total, each) => total + of(each), 1);
  switch (kind.case) {
    case "selectExpr":
      return sum([kind.value.operand]);
    case "listExpr":
      return sum(kind.value.elements);
    case "structExpr":
      return sum(kind.value.entries.flatMap(({ keyKind, value }) => [keyKind.case === "mapKey" ? keyKind.value : undefined, value]));
    case "callExpr":
      return sum([kind.value.target, ...kind.value.args]);
    case "comprehensionExpr": {
      const { iterRange, accuInit, loopCondition, loopStep, result } = kind.value;
      return sum([iterRange, accuInit, result]) + elementsOf(env, iterRange) * sum([loopCondition, loopStep]);
    }
    default:
      return 1;
  }
}

/** How many there are, at most. */
function elementsOf(env: CelEnv, range: Expression | undefined): number {
  if (range === undefined) return 0;
  const { exprKind: kind } = range;
  if (kind.case === "listExpr") return kind.value.elements.length;
  if (kind.case === "structExpr") return kind.value.entries.length;
  if (kind.case === "callExpr" && kind.value.function === "_+_")
    return kind.value.args.reduce((sum, each) => sum + elementsOf(env, each), 0);
  const name = dottedName(range);
  if (name !== undefined && env.variables.find(name) !== undefined) return entriesCounted;
  throw new TypeFault("only lists that are written out, tags and key.labels can be gone through", range);
}
