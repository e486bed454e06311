import type { ChatRequest, Sampling } from "../../core/chat.ts";
import {
  at,
  optionalBoolean,
  optionalFields,
  optionalInteger,
  optionalList,
  optionalNumber,
  optionalText,
  refuse,
  requiredName,
} from "./caller-fields.ts";
import { ChatError } from "../../core/error.ts";
import { byName } from "../../core/extensions.ts";
import { messagesFrom, systemFrom } from "./caller-messages.ts";
import { extensionsFrom, type Fields, isJsonObject, restOf } from "./fields.ts";
import { reasoningFromWords, wordsIn } from "./thinking-words.ts";
import { choiceKnown, outputFormatFrom, toolChoiceFrom, toolsFrom } from "./caller-tools.ts";

/** What a caller says beside its body. */
export interface CallerHeaders {
  /** `anthropic-version`; callers without one are taken for old ones. */
  readonly version: string | undefined;
  /** `anthropic-beta`: a list with commas. */
  readonly beta: string | undefined;
}

/** The first version that refuses sampling parameters, and more that older ones tolerated. Versions are dates. */
const strictVersion = "2026-10-21";
const messagesMax = 100_000;

/** Reads the body of `/v1/messages`, or of its counter, which takes no `max_tokens`. Throws INVALID_REQUEST with the field at fault. */
export function requestFrom(body: unknown, { version, beta }: CallerHeaders, what: "answer" | "count"): ChatRequest {
  if (!isJsonObject(body)) return refuse("body", "must be a JSON object");
  const strict = version !== undefined && /^\d{4}-\d{2}-\d{2}$/.test(version) && version >= strictVersion;
  const model = requiredName(body, "model", "");
  if (model.length > 256) return refuse("model", "must be at most 256 characters long");
  const messages = optionalList(body, "messages", "") ?? refuse("messages", "is required");
  if (messages.length === 0) return refuse("messages", "at least one message is required");
  if (messages.length > messagesMax) return refuse("messages", `must have at most ${messagesMax} elements`);
  const maxOutputTokens = optionalInteger(body, "max_tokens", "", 0);
  if (maxOutputTokens === undefined && what === "answer") return refuse("max_tokens", "is required");
  const tools = toolsFrom(body);
  const metadata = optionalFields(body, "metadata", "");
  checkThinking(body);
  refuseThread(body);
  const extension = extensionOf(body, beta);
  return {
    $typeName: "semaroute.v1.ChatRequest",
    model,
    messages: [...systemFrom(body, strict), ...messagesFrom(messages, strict)],
    tools,
    toolChoice: toolChoiceFrom(body, tools),
    sampling: samplingFrom(body, strict),
    maxOutputTokens,
    outputFormat: outputFormatFrom(body),
    reasoning: reasoningFromWords(wordsIn(extension) ?? { thinking: undefined, effort: undefined }),
    modalities: [],
    verbosity: "",
    serviceTier: optionalText(body, "service_tier", "") ?? "",
    // Of any length: coding agents put long JSON into it.
    endUserId: (metadata && optionalText(metadata, "user_id", "metadata")) ?? "",
    promptCacheKey: "",
    metadata: {},
    extensionsJson: extensionsFrom(extension && byName(extension)),
  };
}

/** Whether the caller wants events. */
export function isStreamed(body: unknown): boolean {
  return isJsonObject(body) && optionalBoolean(body, "stream", "") === true;
}

function samplingFrom(body: Fields, strict: boolean): Sampling | undefined {
  if (strict)
    for (const key of ["temperature", "top_p", "top_k"])
      if (body[key] !== undefined && body[key] !== null) return refuse(key, "Extra inputs are not permitted");
  const temperature = optionalNumber(body, "temperature", "", [0, 1]);
  const topP = optionalNumber(body, "top_p", "", [0, 1]);
  const topK = optionalInteger(body, "top_k", "", 0);
  const stop = stopFrom(body);
  if (temperature === undefined && topP === undefined && topK === undefined && stop.length === 0) return undefined;
  return { $typeName: "semaroute.v1.Sampling", temperature, topP, topK, logitBias: {}, stop };
}

function stopFrom(body: Fields): string[] {
  return (optionalList(body, "stop_sequences", "") ?? []).map((each, i) => {
    if (typeof each !== "string" || each.trim() === "") return refuse(at("stop_sequences", i), "must be text that is not blank");
    return each;
  });
}

/**
 * A conversation that the server keeps begins with a whole one, which can be answered; its SDKs send the whole again where the
 * server has lost it, and this one never has it.
 */
function refuseThread(body: Fields): void {
  if (optionalFields(body, "thread", "")?.["type"] !== "continue") return;
  const text = "thread: no conversation is kept here; send all of its messages";
  throw new ChatError("INVALID_REQUEST", text, { field: "thread", code: "thread_not_found" });
}

const budgetMin = 1024;

function checkThinking(body: Fields): void {
  const thinking = optionalFields(body, "thinking", "");
  if (thinking === undefined || requiredName(thinking, "type", "thinking") !== "enabled") return;
  if (optionalInteger(thinking, "budget_tokens", "thinking", budgetMin) === undefined) refuse("thinking.budget_tokens", "is required");
}

/** Fields that the request itself says. */
const known: ReadonlySet<string> = new Set(
  (
    "model messages system max_tokens stream temperature top_p top_k stop_sequences tools tool_choice metadata service_tier " +
    "output_config output_format anthropic_beta"
  ).split(" "),
);

/**
 * What Anthropic has and the vocabulary has not, `thinking` and the effort as they were said among it: the neutral wish is what
 * other vendors get.
 */
function extensionOf(body: Fields, beta: string | undefined): Fields | undefined {
  const rest: Fields = { ...restOf(body, known) };
  const inside = { tool_choice: choiceKnown, metadata: new Set(["user_id"]), output_config: formatKnown(body) };
  for (const [key, names] of Object.entries(inside)) {
    const object = body[key];
    const left = isJsonObject(object) ? restOf(object, names) : undefined;
    if (left !== undefined) rest[key] = left;
  }
  const betas = [...namesIn(body["anthropic_beta"]), ...namesIn(beta)];
  if (betas.length > 0) rest["anthropic_beta"] = [...new Set(betas)];
  return Object.keys(rest).length === 0 ? undefined : rest;
}

function formatKnown(body: Fields): ReadonlySet<string> {
  return new Set(outputFormatFrom(body) === undefined ? [] : ["format"]);
}

/** Names in a header's list, or in the clouds' field for it. */
function namesIn(betas: unknown): readonly string[] {
  const list: readonly unknown[] = Array.isArray(betas) ? betas : [betas];
  return list.flatMap((each) => (typeof each === "string" ? each.split(",") : [])).flatMap((each) => each.trim() || []);
}
