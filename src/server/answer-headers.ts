import type { Call, Source } from "../core/call.ts";
import { CacheStatus, TranslationAction, type TranslationNote, type Usage } from "../core/chat.ts";
import { upstreamMs } from "../core/attempts.ts";
import { usdFromPico } from "../core/price.ts";

/** Names and values. */
export type HeaderList = [name: string, value: string][];

const cacheWords = {
  [CacheStatus.UNSPECIFIED]: "bypass",
  [CacheStatus.HIT]: "hit",
  [CacheStatus.MISS]: "miss",
  [CacheStatus.BYPASS]: "bypass",
} as const;
const actionWords = {
  [TranslationAction.UNSPECIFIED]: "changed",
  [TranslationAction.DROPPED]: "dropped",
  [TranslationAction.CLAMPED]: "clamped",
  [TranslationAction.EMULATED]: "emulated",
  [TranslationAction.APPROXIMATED]: "approximated",
} as const;
/** Notes beyond it are counted, not listed. */
const notesMax = 20;

/** What every call's answer says of itself, whether or not a target is known. The request id is on every answer anyway. */
export function callHeaders(call: Call): HeaderList {
  return [
    ["x-semaroute-decision", call.id],
    ["x-semaroute-policy", call.snapshot.policy.revision],
  ];
}

/** What it says of where the answer comes from. */
export function sourceHeaders(source: Source): HeaderList {
  const headers: HeaderList = [
    ["x-semaroute-provider", headerText(source.target.provider)],
    ["x-semaroute-model", headerText(source.target.upstreamModel)],
    ["x-semaroute-attempts", String(source.attempts.length)],
    ["x-semaroute-cache", cacheWords[source.cache as keyof typeof cacheWords] ?? "bypass"],
  ];
  if (source.similarity !== undefined) headers.push(["x-semaroute-similarity", source.similarity.toFixed(4)]);
  if (source.notes.length > 0) headers.push(["x-semaroute-notes", notesText(source.notes)]);
  return headers;
}

/** Who was tried last, where an error is all that came of it; nothing where nobody was. */
export function triedHeaders({ attempts }: Pick<Source, "attempts">): HeaderList {
  const target = attempts.at(-1)?.target;
  if (target === undefined) return [];
  return [
    ["x-semaroute-provider", headerText(target.provider)],
    ["x-semaroute-model", headerText(target.upstreamModel)],
  ];
}

/** The price of a whole answer; nothing where it is not known. */
export function costHeaders(usage: Usage | undefined): HeaderList {
  return usage?.costPicoUsd === undefined ? [] : [["x-semaroute-cost-usd", usdFromPico(usage.costPicoUsd)]];
}

/** Milliseconds until the head left, less the upstream's: what the router itself cost (W3C Server Timing). */
export function timingHeader(call: Call, upstream: Pick<Source, "attempts" | "sharedMs">, nowMs: number): [string, string] {
  const theirs = upstreamMs({ attempts: upstream.attempts, source: upstream, endMs: nowMs });
  return ["server-timing", `semaroute;dur=${Math.max(0, nowMs - call.receivedMs - theirs).toFixed(3)}`];
}

function notesText(notes: readonly TranslationNote[]): string {
  const listed = notes
    .slice(0, notesMax)
    .map(({ field, action }) => `${actionWords[action as keyof typeof actionWords] ?? "changed"}:${field}`);
  if (notes.length > notesMax) listed.push(`and ${notes.length - notesMax} more`);
  return headerText(listed.join(", "));
}

/** Names from callers may hold what a header must not: anything but visible ASCII and spaces becomes `?`. */
function headerText(text: string): string {
  return /^[\x20-\x7e]*$/.test(text) ? text : text.replace(/[^\x20-\x7e]/g, "?");
}
