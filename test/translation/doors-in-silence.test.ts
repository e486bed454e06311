import { describe, expect, test } from "vitest";
import { askedAt, type Body, decodedAt, type DoorName } from "./doors.ts";
import { type Outcome, outcomeOf, rows } from "./rows.ts";

const fn = { type: "function", function: { name: "f", description: "d", parameters: { type: "object", properties: { a: {} } } } };
const flat = { type: "function", name: "f", description: "d", parameters: { type: "object", properties: { a: {} } } };
const tool = { name: "f", description: "d", input_schema: { type: "object", properties: { a: {} } } };

/** Each field of each door, with what must be there for it to mean anything. A field that is new in a door belongs here. */
const fields: Readonly<Record<DoorName, readonly (readonly [field: Body, beside?: Body])[]>> = {
  chat: [
    [{ temperature: 0.5 }],
    [{ top_p: 0.5 }],
    [{ top_k: 5 }],
    [{ min_p: 0.1 }],
    [{ n: 2 }],
    [{ max_tokens: 50 }],
    [{ max_completion_tokens: 50 }],
    [{ stop: ["x"] }],
    [{ seed: 7 }],
    [{ frequency_penalty: 0.5 }],
    [{ presence_penalty: 0.5 }],
    [{ repetition_penalty: 1.2 }],
    [{ logit_bias: { "5": 1 } }],
    [{ logprobs: true }],
    [{ top_logprobs: 2 }, { logprobs: true }],
    [{ user: "u" }],
    [{ safety_identifier: "u" }],
    [{ prompt_cache_key: "k" }],
    [{ prompt_cache_retention: "24h" }],
    [{ metadata: { a: "b" } }],
    [{ store: true }],
    [{ service_tier: "flex" }],
    [{ verbosity: "low" }],
    [{ reasoning_effort: "high" }],
    [{ modalities: ["text", "audio"], audio: { voice: "v", format: "wav" } }],
    [{ prediction: { type: "content", content: "x" } }],
    [{ web_search_options: { search_context_size: "low" } }],
    [{ tools: [fn] }],
    [{ tool_choice: "required" }, { tools: [fn] }],
    [{ tool_choice: { type: "function", function: { name: "f" } } }, { tools: [fn] }],
    [{ parallel_tool_calls: false }, { tools: [fn] }],
    [{ functions: [fn.function] }],
    [{ function_call: { name: "f" } }, { functions: [fn.function] }],
    [{ response_format: { type: "json_object" } }],
    [{ response_format: { type: "json_schema", json_schema: { name: "n", schema: { type: "object" } } } }],
    [{ of_nobody: 1 }],
  ],
  responses: [
    [{ instructions: "be brief" }],
    [{ temperature: 0.5 }],
    [{ top_p: 0.5 }],
    [{ max_output_tokens: 50 }],
    [{ top_logprobs: 2 }, { include: ["message.output_text.logprobs"] }],
    [{ include: ["message.output_text.logprobs"] }],
    [{ metadata: { a: "b" } }],
    [{ parallel_tool_calls: false }, { tools: [flat] }],
    [{ prompt_cache_key: "k" }],
    [{ safety_identifier: "u" }],
    [{ user: "u" }],
    [{ service_tier: "flex" }],
    [{ reasoning: { effort: "high" } }],
    [{ reasoning: { effort: "high", summary: "detailed" } }, { reasoning: { effort: "high" } }],
    [{ text: { format: { type: "json_object" } } }],
    [{ text: { format: { type: "json_schema", name: "n", schema: { type: "object" } } } }],
    [{ text: { verbosity: "low" } }],
    [{ tools: [flat] }],
    [{ tools: [{ type: "web_search" }] }],
    [{ tool_choice: "required" }, { tools: [flat] }],
    [{ tool_choice: { type: "function", name: "f" } }, { tools: [flat] }],
    [{ truncation: "auto" }],
    [{ max_tool_calls: 3 }],
    [{ of_nobody: 1 }],
  ],
  messages: [
    [{ system: "be brief" }],
    [{ max_tokens: 50 }],
    [{ temperature: 0.5 }],
    [{ top_p: 0.5 }],
    [{ top_k: 5 }],
    [{ stop_sequences: ["x"] }],
    [{ metadata: { user_id: "u" } }],
    [{ service_tier: "standard_only" }],
    [{ thinking: { type: "enabled", budget_tokens: 2000 } }, { max_tokens: 5000 }],
    [{ output_config: { effort: "high" } }],
    [{ output_config: { format: { type: "json_schema", schema: { type: "object", properties: {}, additionalProperties: false } } } }],
    [{ tools: [tool] }],
    [{ tools: [{ type: "web_search_20250305", name: "web_search" }] }],
    [{ tool_choice: { type: "any" } }, { tools: [tool] }],
    [{ tool_choice: { type: "tool", name: "f" } }, { tools: [tool] }],
    [{ tool_choice: { type: "auto", disable_parallel_tool_use: true } }, { tools: [tool] }],
    [{ cache_control: { type: "ephemeral" } }],
    [{ container: "c" }],
    [{ mcp_servers: [{ type: "url", url: "https://a.example", name: "n" }] }],
    [{ context_management: { edits: [] } }],
    [{ of_nobody: 1 }],
  ],
};

/** What asks for no more than what comes anyway. */
const noLoss: readonly RegExp[] = [/"service_tier":"standard_only"/];

function seen(outcome: Outcome): string {
  return outcome.kind === "refused" ? "refused" : JSON.stringify([outcome.body, outcome.headers, outcome.notes]);
}

describe.each(rows)("$name", (row) => {
  test.each(["chat", "responses", "messages"] as const)("hears, or is told to miss, every field of the door %s", (door) => {
    const silent = fields[door].filter(([field, beside = {}]) => {
      if (noLoss.some((each) => each.test(JSON.stringify(field)))) return false;
      const asked = outcomeOf(row, askedAt(door, { ...beside, ...field }));
      // Without what stands beside it, a target may refuse as well; then it is not the field's doing.
      if (asked.kind === "sent" && "reasoning" in field && asked.notes.some((note) => note.field === "reasoning")) return false;
      return asked.kind === "sent" && seen(asked) === seen(outcomeOf(row, askedAt(door, beside)));
    });
    expect(silent.map(([field]) => JSON.stringify(field))).toStrictEqual([]);
  });

  test.each(["chat", "responses", "messages"] as const)("says the same of a stream as of a whole answer at the door %s", (door) => {
    for (const [field, beside = {}] of fields[door]) {
      const { request } = decodedAt(door, { ...beside, ...field });
      const [whole, streamed] = [outcomeOf(row, request), outcomeOf(row, request, true)];
      expect(streamed.kind).toBe(whole.kind);
      if (streamed.kind === "sent" && whole.kind === "sent") expect(streamed.notes).toEqual(whole.notes);
    }
  });
});
