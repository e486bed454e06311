import { Refusal } from "./refusal.ts";

/** A path of ours under another prefix: none, `/v1` twice, a vendor's own; or with a slash at its end. */
export function hintedPath(path: string, known: readonly string[]): string | undefined {
  const asked = path.replace(/\/+$/, "");
  const whole = known.find((each) => each.startsWith("/v1/") && !each.endsWith("*") && asked.endsWith(each.slice("/v1".length)));
  const model = /\/models\/[^/].*$/.exec(asked)?.[0];
  return whole ?? (model !== undefined && known.includes("/v1/models/*") ? `/v1${model}` : undefined);
}

/** 404, with the path that was probably meant. */
export function notFound(path: string, hint?: string): Refusal {
  const meant = hint === undefined ? "" : `; did you mean ${hint}?`;
  return new Refusal(404, "not_found", `there is nothing at ${JSON.stringify(path)}${meant}`);
}
