import { Refusal } from "./refusal.ts";

/** A path of ours under another prefix: none, `/v1` twice, a vendor's own; or with a slash at its end. */
export function hintedPath(path: string, known: readonly string[]): string | undefined {
  const asked = path.replace(/\/+$/, "");
  const whole = known.find((each) => each.startsWith("/v1/") && !each.endsWith("*") && asked.endsWith(each.slice("/v1".length)));
  const model = /\/models\/[^/].*$/.exec(asked)?.[0];
  return whole ?? (model !== undefined && known.includes("/v1/models/*") ? `/v1${model}` : undefined);
}

/** Asks for a path that was probably meant; empty where there is none. */
export function meant(hint: string | undefined): string {
  return hint === undefined ? "" : `; did you mean ${hint}?`;
}

/** 404, with more to say about it. */
export function notFound(path: string, more = ""): Refusal {
  return new Refusal(404, "not_found", `there is nothing at ${JSON.stringify(path)}${more}`);
}
