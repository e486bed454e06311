import type { TargetId } from "./catalog.ts";
import { isJsonObject } from "./json-fields.ts";

/**
 * What a replica found by calls of its own. `failing`: its breaker opened; `limited`: the upstream said how long it wants to be left
 * alone; `refused`: the credential is out; `recovered`: its breaker closed.
 */
export type HintKind = (typeof hintKinds)[number];
export const hintKinds = ["failing", "limited", "refused", "recovered"] as const;
/** What speaks against a target. */
export type DoubtKind = Exclude<HintKind, "recovered">;

/** One finding. Holds nothing of a call, a key or a tenant. */
export interface Hint {
  readonly kind: HintKind;
  readonly target: TargetId;
  /** How long it holds where it was found; milliseconds. Of `recovered` nothing. */
  readonly ms: number;
}

/** What became of a hint; a metric label. `foreign`: of a target, a host or a credential that this replica has not. */
export type HintEvent = "told" | "heard" | "known_better" | "foreign" | "malformed";

/** A hint on its way. */
export interface ToldHint extends Hint {
  /** Which replica tells, by a word of its own making. */
  readonly from: string;
  /** A hash of whom it is about: the host, and of `limited` and `refused` the credential. */
  readonly mark: string;
}

/** Of what is told; who reads another one reads nothing. */
const version = 1;
/** Longest text that is read. */
const textMax = 1024;
/** Longer times are no times. */
const msMax = 86_400_000;

/** As it is told. */
export function textFromHint({ kind, target, ms, from, mark }: ToldHint): string {
  return JSON.stringify({ v: version, from, mark, kind, target, ms: Math.max(1, Math.round(ms)) });
}

/** Undefined: it is none, or one of another version. */
export function hintFromText(text: string): ToldHint | undefined {
  if (text.length > textMax) return undefined;
  const read = readJson(text);
  if (!isJsonObject(read) || read["v"] !== version) return undefined;
  const { from, mark, target, ms } = read;
  const kind = hintKinds.find((each) => each === read["kind"]);
  if (kind === undefined || typeof from !== "string" || typeof mark !== "string" || typeof target !== "string") return undefined;
  if (typeof ms !== "number" || !Number.isInteger(ms) || ms < 1 || ms > msMax) return undefined;
  // A brand: whoever hears it looks whether there is such a target.
  return { kind, target: target as TargetId, ms, from, mark };
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
