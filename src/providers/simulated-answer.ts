import type { Target } from "../core/catalog.ts";
import {
  type ChatRequest,
  type ContentPart,
  FinishReason,
  contentPart,
  Role,
  textPart,
  type Tool,
  ToolChoice_Mode,
  type Usage,
  usageOf,
} from "../core/chat.ts";
import { textOf } from "../core/fold.ts";
import { sampleJson } from "./schema-sample.ts";
import { countRequestTokens, firstTokens } from "./simulated-tokens.ts";

/** What a simulated model says where the request does not force a shape. */
export type SimulatedReply =
  /** The last message of the user. */
  | { readonly kind: "echo" }
  | { readonly kind: "text"; readonly text: string }
  /** So many words of filler. */
  | { readonly kind: "tokens"; readonly count: number };

/** A reply, decided before its first token leaves; every choice of the call gets the same. */
export interface SimulatedAnswer {
  /** The text, or the arguments of the tool call. */
  readonly text: string;
  /** Of the text. */
  readonly tokens: number;
  /** The tool that is called; undefined: the answer is text. */
  readonly tool: { readonly name: string; readonly custom: boolean } | undefined;
  readonly finishReason: FinishReason;
  /** Empty: none was hit. */
  readonly stopSequence: string;
  readonly choices: number;
  readonly inputTokens: number;
}

/** Decides what to answer. Pure. */
export function simulatedAnswer(request: Readonly<ChatRequest>, target: Target, reply: SimulatedReply): SimulatedAnswer {
  const tool = forcedTool(request);
  const whole = tool === undefined ? replyText(request, reply) : toolInput(tool, request);
  // Stop sequences end what is said, not what is passed to a tool.
  const [said, stopSequence] = tool === undefined ? beforeStop(whole, request.sampling?.stop ?? []) : [whole, ""];
  const { end, tokens } = firstTokens(said, request.maxOutputTokens ?? target.capabilities.maxOutputTokens ?? Infinity);
  const common = { tokens, choices: request.n ?? 1, inputTokens: countRequestTokens(request) };
  const name = tool === undefined ? undefined : { name: tool.value.name, custom: tool.case === "custom" };
  if (end < said.length) return { ...common, text: said.slice(0, end), tool: name, finishReason: FinishReason.LENGTH, stopSequence: "" };
  const finishReason = tool === undefined ? FinishReason.STOP : FinishReason.TOOL_CALLS;
  return { ...common, text: said, tool: name, finishReason, stopSequence };
}

/** The answer's only part, with that much of it already there; `id` is the tool call's. */
export function answerPart({ tool }: SimulatedAnswer, id: string, text: string): ContentPart {
  if (tool === undefined) return textPart(text);
  return contentPart({
    case: "toolCall",
    value: { $typeName: "semaroute.v1.ToolCallPart", id, name: tool.name, argumentsJson: text, custom: tool.custom },
  });
}

/** What the whole answer uses. */
export function usageFor(answer: SimulatedAnswer): Usage {
  return usageOf(answer.inputTokens, answer.tokens * answer.choices);
}

type CallableTool = Extract<Tool["kind"], { case: "function" | "custom" }>;

/** The tool the request leaves no way around: the first one allowed. */
function forcedTool({ tools, toolChoice }: Readonly<ChatRequest>): CallableTool | undefined {
  if (toolChoice === undefined) return undefined;
  const { mode, allowedNames } = toolChoice;
  const forced = mode === ToolChoice_Mode.REQUIRED || (mode === ToolChoice_Mode.UNSPECIFIED && allowedNames.length === 1);
  if (!forced) return undefined;
  for (const { kind } of tools) {
    if (kind.case !== "function" && kind.case !== "custom") continue;
    if (allowedNames.length === 0 || allowedNames.includes(kind.value.name)) return kind;
  }
  return undefined;
}

function toolInput(tool: CallableTool, request: Readonly<ChatRequest>): string {
  return tool.case === "function" ? sampleJson(tool.value.parametersJsonSchema) : lastUserText(request);
}

function replyText(request: Readonly<ChatRequest>, reply: SimulatedReply): string {
  const format = request.outputFormat?.format;
  if (format?.case === "jsonObject") return "{}";
  if (format?.case === "jsonSchema") return sampleJson(format.value.jsonSchema);
  switch (reply.kind) {
    case "echo":
      return lastUserText(request);
    case "text":
      return reply.text;
    case "tokens":
      return filler(reply.count);
    default:
      return reply satisfies never;
  }
}

function lastUserText({ messages }: Readonly<ChatRequest>): string {
  const last = messages.findLast((message) => message.role === Role.USER);
  return last === undefined ? "" : last.text + textOf(last.content);
}

const words = "one model says what another model could have said just as well and nobody can tell which of the two it was".split(" ");

/** Words of at most eight letters are one token each. */
function filler(count: number): string {
  return Array.from({ length: count }, (_, i) => words[i % words.length]).join(" ");
}

function beforeStop(text: string, stops: readonly string[]): readonly [text: string, stop: string] {
  let at = text.length;
  let hit = "";
  for (const stop of stops) {
    const found = text.indexOf(stop);
    if (found >= 0 && found < at) [at, hit] = [found, stop];
  }
  return [text.slice(0, at), hit];
}
