/** Every upstream dialect, and the model that the golden files of it are made for. A new dialect is one row. */
import type { Target, TargetId } from "../../src/core/catalog.ts";
import type { Quirks, UpstreamDialect } from "../../src/core/dialect.ts";
import { anthropicMessages } from "../../src/dialects/anthropic-messages/upstream.ts";
import { bedrockConverse } from "../../src/dialects/bedrock-converse/upstream.ts";
import { cohere } from "../../src/dialects/cohere/upstream.ts";
import { gemini } from "../../src/dialects/gemini/upstream.ts";
import { openaiChat } from "../../src/dialects/openai-chat/upstream.ts";
import { openaiResponses } from "../../src/dialects/openai-responses/upstream.ts";
import { hosts, type HostType } from "../../src/providers/hosts.ts";
import { describeModel } from "../../src/providers/known-models.ts";

/** A dialect with a target that speaks it. */
export interface DialectRow {
  /** Name of its folder under `answers/`. */
  readonly name: string;
  readonly upstream: UpstreamDialect;
  readonly host: HostType;
  readonly quirks: Quirks;
  readonly model: string;
  /** Models of requests that the first one does not take, by case. */
  readonly models?: Readonly<Record<string, string>>;
  /** Whether an event of its streams is the one without which an answer is not whole. */
  readonly isEnd: (data: string, name: string | undefined) => boolean;
}

type Rest = Omit<DialectRow, "name" | "upstream" | "quirks">;

function row(name: string, upstream: UpstreamDialect, rest: Rest): DialectRow {
  return { name, upstream, quirks: hosts[rest.host].quirks, ...rest };
}

/** One row a dialect. */
export const dialects: readonly DialectRow[] = [
  row("openai-chat", openaiChat, {
    host: "openai",
    model: "gpt-4o",
    models: { reasoning: "gpt-5", effort: "gpt-5" },
    isEnd: (data) => /"finish_reason":"/.test(data),
  }),
  row("openai-responses", openaiResponses, {
    host: "openai",
    model: "gpt-5.5",
    isEnd: (_data, name) => name === "response.completed" || name === "response.incomplete",
  }),
  row("anthropic-messages", anthropicMessages, {
    host: "anthropic",
    model: "claude-sonnet-4-5",
    models: { effort: "claude-opus-4-8" },
    isEnd: (_data, name) => name === "message_stop",
  }),
  row("gemini", gemini, {
    host: "gemini",
    model: "gemini-3.5-flash",
    models: { effort: "gemini-2.5-flash" },
    isEnd: (data) => /"(?:finishReason|blockReason)":"/.test(data),
  }),
  row("cohere", cohere, {
    host: "cohere",
    model: "command-a-03-2025",
    models: {
      reasoning: "command-a-reasoning-08-2025",
      effort: "command-a-reasoning-08-2025",
      image: "command-a-vision-07-2025",
      "image-url": "command-a-vision-07-2025",
    },
    isEnd: (_data, name) => name === "message-end",
  }),
  row("bedrock-converse", bedrockConverse, {
    host: "bedrock",
    model: "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    isEnd: (_data, name) => name === "messageStop",
  }),
];

/** The target for a case; without a price, since prices change by the day. */
export function targetOf({ host, model, models }: DialectRow, name: string): Target {
  const upstreamModel = models?.[name] ?? model;
  return {
    id: `${host}/${upstreamModel}` as TargetId,
    provider: host,
    model: upstreamModel,
    upstreamModel,
    kind: "chat",
    issuer: hosts[host].issuer,
    capabilities: describeModel(host, upstreamModel).capabilities,
    price: undefined,
    timeoutMs: undefined,
  };
}
