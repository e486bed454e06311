import { type ChatResponse, chatResponse, choice, type ContentPart, FinishReason, textPart } from "../../core/chat.ts";
import type { AnswerContext } from "../../core/dialect.ts";
import { ChatError } from "../../core/error.ts";
import { textOf } from "../../core/fold.ts";
import { unwrapped } from "../../core/freeform.ts";
import { unfenced } from "../../core/unfence.ts";
import { callPart, citationsFrom, citedIn, logprobsFrom, nativePart, reasoningPart } from "./answer-decode.ts";
import { failureInside, isErrorBody } from "./errors.ts";
import { extensionsOf, type Fields, fieldsAt, isJsonObject, listAt, textAt } from "./fields.ts";
import { finishReasonFrom, refuseFailure } from "./finish-reasons.ts";
import { argumentsText } from "./tool-arguments.ts";
import { usageFrom } from "./usage-decode.ts";

const known: ReadonlySet<string> = new Set(["id", "finish_reason", "message", "usage", "logprobs", "response_type"]);
const messageKnown: ReadonlySet<string> = new Set(["role", "content", "tool_calls", "tool_plan", "citations"]);

/** A whole answer. Throws UPSTREAM_PROTOCOL for what is none, or what an error in it says. */
export function decodeResponse(body: unknown, context: AnswerContext = {}): ChatResponse {
  if (!isJsonObject(body)) throw broken("the answer is not a JSON object");
  if (isErrorBody(body)) throw failureInside(body);
  const { message } = body;
  if (!isJsonObject(message)) throw broken("the answer has no message");
  const native = textAt(body, "finish_reason");
  refuseFailure(native, textAt(body, "error"));
  const id = textAt(body, "id");
  const parts = partsOf(message, id, context);
  const only = choice(0, parts);
  only.finishReason = finishReasonFrom(
    native,
    parts.some((part) => part.part.case === "toolCall"),
  );
  only.nativeFinishReason = native;
  only.logprobs = listAt(body, "logprobs").flatMap(logprobsFrom);
  if (only.message !== undefined) {
    only.message.text = textOf(parts);
    only.message.extensionsJson = extensionsOf(message, messageKnown);
  }
  const usage = usageFrom(body["usage"]);
  // An end without a beginning: hosts under load, or with a history they could not read, "succeed" like this.
  if (parts.length === 0 && only.finishReason === FinishReason.STOP && (usage?.outputTokens ?? 0) === 0)
    throw broken("the answer is empty");
  const response = chatResponse("", [only], usage);
  response.id = id;
  response.extensionsJson = extensionsOf(body, known);
  return response;
}

/** Thoughts and text, then the plan, which is the text in front of the calls. */
function partsOf(message: Fields, answerId: string, context: AnswerContext): ContentPart[] {
  const { content } = message;
  const blocks = typeof content === "string" ? [{ type: "text", text: content }] : listAt(message, "content").filter(isJsonObject);
  const byBlock = blocks.map((block) => partFromBlock(block, context));
  const parts = byBlock.flatMap((part) => part ?? []);
  const planText = textAt(message, "tool_plan");
  const plan = planText === "" ? undefined : textPart(planText);
  for (const citation of listAt(message, "citations").filter(isJsonObject)) {
    const where = citedIn(citation);
    if (where === "thinking") continue;
    const block = citation["content_index"];
    const text = typeof block === "number" ? byBlock[block] : parts.findLast(({ part }) => part.case === "text");
    const cited = where === "plan" ? plan : text;
    if (cited?.part.case === "text") cited.part.value.citations.push(...citationsFrom(citation));
  }
  const calls = listAt(message, "tool_calls").filter(isJsonObject);
  return [...parts, ...(plan === undefined ? [] : [plan]), ...calls.map((call, i) => wholeCall(call, inventedId(answerId, i), context))];
}

/** Undefined: the block says nothing. */
function partFromBlock(block: Fields, context: AnswerContext): ContentPart | undefined {
  const type = textAt(block, "type");
  if (type !== "text" && type !== "thinking") return nativePart(block);
  const text = textAt(block, type);
  if (text === "") return undefined;
  if (type === "thinking") return reasoningPart(text);
  return textPart(context.fencedJson === true ? unfenced(text) : text);
}

function wholeCall(call: Fields, fallbackId: string, context: AnswerContext): ContentPart {
  const part = callPart(call, fallbackId, context);
  if (part.part.case !== "toolCall") return part;
  if (part.part.value.name === "") throw broken("a tool was called without a name");
  const text = argumentsText(fieldsAt(call, "function")["arguments"]);
  part.part.value.argumentsJson = part.part.value.custom ? unwrapped(text) : text;
  return part;
}

/** An id for a call that came without: a pure function of the answer and its place in it. */
export function inventedId(answerId: string, ordinal: number): string {
  return `call_${answerId.replaceAll(/[^A-Za-z0-9]/g, "")}_${ordinal}`;
}

/** An answer that broke Cohere's protocol. */
export function broken(text: string): ChatError {
  return new ChatError("UPSTREAM_PROTOCOL", `cohere: ${text}`);
}
