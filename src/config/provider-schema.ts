import { z } from "zod";

import { choice, duration, flag, httpUrl, list, number, positiveDuration, scalar, secret, section, text, whole } from "./values.ts";

/** US dollars per million tokens; 0 means free, not set means the price table's. */
const dollars = () => number(0, 1e6);

const modelRecord = section({
  /** The name callers use. */
  id: text(),
  /** The name the provider is asked for. Default: `id`. */
  upstream: text().optional(),
  /** What the model is for. Default: what is known of the name. */
  kind: choice(["chat", "embedding"]).optional(),
  input_price: dollars().optional(),
  output_price: dollars().optional(),
  /** Input that the vendor had in its prompt cache. */
  cached_input_price: dollars().optional(),
  /** Input that the vendor puts into its prompt cache; for however long. */
  cache_write_price: dollars().optional(),
  /** US dollars for each call, beside its tokens. */
  request_price: number(0, 1e6).optional(),
  /** Context window in tokens. */
  context_tokens: whole(1, Number.MAX_SAFE_INTEGER).optional(),
});

/** A model of a provider: its name, or a record. */
const model = z.preprocess((written) => (typeof written === "string" && written !== "" ? { id: written } : written), modelRecord);

/** What a simulated provider answers. */
export type SimulatedReply =
  | { readonly kind: "echo" }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "tokens"; readonly count: number };

/** One provider; the settings after `fallback_on_refusal` belong to some types only. */
export const providerSchema = section({
  /** In the file, the default is the provider's name, if it is a type. */
  type: text(),
  enabled: flag().default(true),
  /** Default: the variable of the type's vendor, such as OPENAI_API_KEY. */
  api_key: secret().optional(),
  /** Default: the vendor's. */
  base_url: httpUrl().optional(),
  /** Milliseconds; replaces `timeouts.first_token` for streams and `timeouts.total` for unary upstream calls. */
  timeout: positiveDuration().optional(),
  /** Default: what is known of the type, or what the host lists. */
  models: list(model).optional(),
  /** Calls in flight. */
  max_concurrent: whole(1, 1_000_000).default(256),
  /** Whether a safety refusal is tried elsewhere. */
  fallback_on_refusal: flag().default(false),
  /** azure_openai. */
  api_version: text().optional(),
  /** bedrock: where the models run; part of the default base URL and of signatures. */
  region: scalar("a region such as us-east-1", (written) => (/^[a-z0-9-]{1,32}$/.test(written) ? written : undefined)).optional(),
  /** bedrock: with `secret_access_key`, instead of `api_key`. */
  access_key_id: secret().optional(),
  /** bedrock. */
  secret_access_key: secret().optional(),
  /** bedrock: of temporary credentials. */
  session_token: secret().optional(),
  /** simulated: milliseconds until the first token. */
  first_token: duration().default(50),
  /** simulated. */
  tokens_per_second: number(0.001, 1e9).default(100),
  /** simulated. */
  reply: scalar('echo, text:"…" or tokens:N', replyFrom).default({ kind: "echo" }),
  /** simulated: share of calls that fail. */
  failure_ratio: number(0, 1).default(0),
  /** simulated: how they fail. */
  failure: choice(["500", "429", "timeout", "reset", "truncate"]).default("500"),
  /** simulated: of all its randomness. */
  seed: whole(0, Number.MAX_SAFE_INTEGER).default(1),
});

function replyFrom(written: string): SimulatedReply | undefined {
  if (written === "echo") return { kind: "echo" };
  const colon = written.indexOf(":");
  const rest = written.slice(colon + 1).trim();
  switch (written.slice(0, Math.max(colon, 0))) {
    case "text":
      return { kind: "text", text: /^".*"$|^'.*'$/s.test(rest) ? rest.slice(1, -1) : rest };
    case "tokens":
      return /^\d{1,7}$/.test(rest) && rest !== "0" ? { kind: "tokens", count: Number(rest) } : undefined;
    default:
      return undefined;
  }
}
