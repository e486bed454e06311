import type { Model } from "../../core/chat.ts";
import { ChatError } from "../../core/error.ts";

const limitDefault = 20;
const limitMax = 1000;

/** A model as Anthropic lists it. */
export function anthropicModel({ id, displayName, createTime, capabilities }: Model): Record<string, unknown> {
  return {
    type: "model",
    id,
    display_name: displayName === "" ? id : displayName,
    created_at: new Date(Number(createTime?.seconds ?? 0n) * 1000).toISOString().replace(".000Z", "Z"),
    max_input_tokens: capabilities?.contextTokens ?? null,
    max_tokens: capabilities?.maxOutputTokens ?? null,
  };
}

/** The page that `limit`, `after_id` and `before_id` ask for. */
export function anthropicPage(models: readonly Model[], query: URLSearchParams): Record<string, unknown> {
  const limit = limitFrom(query.get("limit"));
  const after = placeOf(models, query, "after_id");
  const before = placeOf(models, query, "before_id");
  if (after !== undefined && before !== undefined) throw bad("before_id", "cannot be used with after_id");
  const from = before === undefined ? (after ?? -1) + 1 : Math.max(0, before - limit);
  const page = models.slice(from, before ?? from + limit);
  return {
    data: page.map(anthropicModel),
    // In the direction that was asked for.
    has_more: before === undefined ? from + page.length < models.length : from > 0,
    first_id: page[0]?.id ?? null,
    last_id: page.at(-1)?.id ?? null,
  };
}

function limitFrom(text: string | null): number {
  if (text === null) return limitDefault;
  const limit = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > limitMax) throw bad("limit", `must be a whole number from 1 to ${limitMax}`);
  return limit;
}

function placeOf(models: readonly Model[], query: URLSearchParams, name: "after_id" | "before_id"): number | undefined {
  const id = query.get(name);
  if (id === null || id === "") return undefined;
  const place = models.findIndex((model) => model.id === id);
  if (place < 0) throw bad(name, "is no model of this list");
  return place;
}

function bad(field: string, what: string): ChatError {
  return new ChatError("INVALID_REQUEST", `${field}: ${what}`, { field });
}
