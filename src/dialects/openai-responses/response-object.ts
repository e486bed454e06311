import { FinishReason, type Usage } from "../../core/chat.ts";
import type { JsonObject } from "../../core/json-fields.ts";
import { servedTier } from "../../core/openai/words.ts";
import { type Echo, echoed } from "./echo.ts";
import { encodeUsage } from "./usage.ts";

/** Where an answer stands. */
export interface Standing {
  readonly status: "in_progress" | "completed" | "incomplete" | "failed";
  /** Why it is incomplete. */
  readonly incomplete?: string | undefined;
  readonly error?: JsonObject;
}

/** An answer, as far as it is known. */
export interface Answer {
  /** The gateway's id. */
  readonly id: string;
  readonly createdSeconds: number;
  readonly model: string;
  readonly echo: Echo;
}

/** What becomes known at its end. */
export interface Outcome {
  readonly output: readonly JsonObject[];
  readonly usage: Usage | undefined;
  /** Tier that served it; empty: not told. */
  readonly serviceTier: string;
  /** What an upstream of this language says besides. */
  readonly told: JsonObject;
}

/** Nothing yet. */
export const nothingYet: Outcome = { output: [], usage: undefined, serviceTier: "", told: {} };

/** The response object, whole or as an event of a stream has it. */
export function responseObject(answer: Answer, standing: Standing, outcome: Outcome): JsonObject {
  const { status, incomplete, error } = standing;
  const known = {
    id: responseId(answer.id),
    object: "response",
    created_at: answer.createdSeconds,
    status,
    error: error ?? null,
    incomplete_details: incomplete === undefined ? null : { reason: incomplete },
    model: answer.model,
    output: outcome.output,
    service_tier: outcome.serviceTier === "" ? "default" : servedTier(outcome.serviceTier),
    usage: outcome.usage === undefined ? null : encodeUsage(outcome.usage),
  };
  // First for those who read it, last because it wins.
  return { ...known, ...echoed(answer.echo, outcome.told), ...known };
}

/** The gateway's id as a client of this API expects it. */
function responseId(id: string): string {
  return id.startsWith("resp_") ? id : `resp_${id}`;
}

/** Reasons of the API's own that have no neutral word. */
const nativeReasons: ReadonlySet<string> = new Set(["max_messages", "steered"]);

/** How an answer ended, in this language's words. */
export function standingOf(reason: FinishReason, native: string, hasRefusal: boolean): Standing {
  switch (reason) {
    case FinishReason.LENGTH:
    case FinishReason.CONTEXT_WINDOW:
      return { status: "incomplete", incomplete: "max_output_tokens" };
    case FinishReason.CONTENT_FILTER:
      return { status: "incomplete", incomplete: "content_filter" };
    case FinishReason.REFUSAL:
      // Where the refusal's words are there they are the answer.
      return hasRefusal ? { status: "completed" } : { status: "incomplete", incomplete: "content_filter" };
    case FinishReason.ERROR:
      return { status: "failed", error: { code: "server_error", message: "the model failed to finish its answer" } };
    default:
      return nativeReasons.has(native) ? { status: "incomplete", incomplete: native } : { status: "completed" };
  }
}
