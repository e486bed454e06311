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
}

function row(name: string, upstream: UpstreamDialect, host: HostType, model: string, models: DialectRow["models"] = {}): DialectRow {
  return { name, upstream, host, quirks: hosts[host].quirks, model, models };
}

/** One row a dialect. */
export const dialects: readonly DialectRow[] = [
  row("openai-chat", openaiChat, "openai", "gpt-4o", { reasoning: "gpt-5", effort: "gpt-5" }),
  row("openai-responses", openaiResponses, "openai", "gpt-5.5"),
  row("anthropic-messages", anthropicMessages, "anthropic", "claude-sonnet-4-5", { effort: "claude-opus-4-8" }),
  row("gemini", gemini, "gemini", "gemini-3.5-flash", { effort: "gemini-2.5-flash" }),
  row("cohere", cohere, "cohere", "command-a-03-2025", {
    reasoning: "command-a-reasoning-08-2025",
    effort: "command-a-reasoning-08-2025",
    image: "command-a-vision-07-2025",
  }),
  row("bedrock-converse", bedrockConverse, "bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
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
