import { z } from "zod";

import { patternForm, textForm, wordsForm } from "./forms.ts";
import { providerTypeFacts } from "./provider-types.ts";
import { choice, duration, flag, httpUrl, list, number, positiveDuration, scalar, secret, section, text, whole } from "./values.ts";

const price = (what: string) =>
  number(0, 1e6).optional().describe(`US dollars per million tokens ${what}; 0: free. Default: the price table's.`);

const modelRecord = section({
  id: text().describe("The name callers use."),
  upstream: text().optional().describe("The name the provider is asked for. Default: id."),
  kind: choice(["chat", "embedding"]).optional().describe("What the model is for. Default: what is known of the name."),
  input_price: price("of input"),
  output_price: price("of output"),
  cached_input_price: price("of input that the vendor had in its prompt cache"),
  cache_write_price: price("that the vendor puts into its prompt cache, for however long"),
  request_price: number(0, 1e6).optional().describe("US dollars for each call, beside its tokens."),
  context_tokens: whole(1, Number.MAX_SAFE_INTEGER).optional().describe("Context window in tokens. Default: the price table's."),
});

/** A model of a provider: its name, or a record. */
const model = z.preprocess((written) => (typeof written === "string" && written !== "" ? { id: written } : written), modelRecord);

/** What a simulated provider answers. */
export type SimulatedReply =
  | { readonly kind: "echo" }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "tokens"; readonly count: number };

const regionText = /^[a-z0-9-]{1,32}$/;

/** One provider; the settings after `fallback_on_refusal` belong to some types only. */
export const providerSchema = section({
  type: text()
    .meta({ ...wordsForm(Object.keys(providerTypeFacts)) })
    .describe("Whose it is, or what it speaks. Default: the provider's name, if it is a type."),
  enabled: flag().default(true).describe("Whether it is used."),
  api_key: secret().optional().describe("Default: the variable of the type's vendor, such as OPENAI_API_KEY."),
  base_url: httpUrl()
    .optional()
    .describe("Without credentials, query and fragment. Default: the vendor's; required for openai_compatible and azure_openai."),
  timeout: positiveDuration().optional().describe("Replaces timeouts.first_token for streams and timeouts.total for whole answers."),
  models: list(model).optional().describe("Names, or records. Default: what is known of the type, or what the host lists."),
  max_concurrent: whole(1, 1_000_000).default(256).describe("Calls in flight."),
  fallback_on_refusal: flag().default(false).describe("Whether a safety refusal is tried elsewhere."),
  api_version: text().optional().describe("azure_openai: the dated API. Default: the newer one below /openai/v1."),
  region: scalar("a region such as us-east-1", (written) => (regionText.test(written) ? written : undefined), {
    form: patternForm("a region such as us-east-1", regionText, textForm),
  })
    .optional()
    .describe("bedrock: where the models run; part of the default base URL and of signatures."),
  access_key_id: secret().optional().describe("bedrock: signs requests, with secret_access_key, instead of api_key."),
  secret_access_key: secret().optional().describe("bedrock: signs requests, with access_key_id."),
  session_token: secret().optional().describe("bedrock: of temporary credentials."),
  first_token: duration().prefault("50ms").describe("simulated: time until the first token."),
  tokens_per_second: number(0.001, 1e9).default(100).describe("simulated: how fast it answers."),
  reply: scalar('echo, text:"…" or tokens:N', replyFrom, {
    form: patternForm('echo, text:"…" or tokens:N', /^echo$|^text:|^tokens:\s*[1-9]\d{0,6}\s*$/),
  })
    .prefault("echo")
    .describe('simulated: what it answers: echo, text:"any text", or tokens:200.'),
  failure_ratio: number(0, 1).default(0).describe("simulated: share of calls that fail."),
  failure: choice(["500", "429", "timeout", "reset", "truncate"]).default("500").describe("simulated: how they fail."),
  seed: whole(0, Number.MAX_SAFE_INTEGER).default(1).describe("simulated: seed of all its randomness."),
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
