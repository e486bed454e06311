import type { ChoiceEnded, PartDelta, PartStarted, StreamCompleted, StreamEvent, StreamStarted, Usage } from "../../core/chat.ts";
import { FinishReason } from "../../core/chat.ts";
import { codePoints } from "../../core/code-points.ts";
import type { StreamEncoder } from "../../core/dialect.ts";
import { splitExtensions } from "../../core/message-extensions.ts";
import { servedTier } from "../../core/openai/words.ts";
import { completionId, logprobsObject } from "./answer-encode.ts";
import { merged } from "../../core/extensions.ts";
import { extensionIssuer, extraFields, withExtensions } from "./extensions.ts";
import { encodeFinishReason } from "./finish-reason.ts";
import type { JsonObject } from "../../core/json-fields.ts";
import { type ChoiceView, createChoiceView, deltaOf, endOf, startOf } from "./stream-delta.ts";
import { encodeUsage } from "./usage.ts";

/** How the caller asked. */
export interface StreamOptions {
  /** One more chunk with the usage, and `usage: null` in all others. */
  readonly includeUsage: boolean;
  /** Answer with the deprecated `function_call` instead of `tool_calls`. */
  readonly legacyFunctions: boolean;
}

/** What stands around the JSON of each chunk. The JSON itself never holds a line break. */
export interface Framing {
  readonly before: string;
  readonly after: string;
  /** Follows the last chunk of a stream that is complete. */
  readonly done: string;
  /** A sign of life between chunks. */
  readonly heartbeat: string;
}

const sseFraming: Framing = { before: "data: ", after: "\n\n", done: "data: [DONE]\n\n", heartbeat: ": keep-alive\n\n" };

/** A fresh encoder. `[DONE]` follows `completed` only; a stream that breaks ends with `streamErrorText`. Default: server-sent events. */
export function createStreamEncoder(options: StreamOptions, framing = sseFraming): StreamEncoder {
  return new ChunkWriter(options, framing);
}

class ChunkWriter implements StreamEncoder {
  readonly #options: StreamOptions;
  readonly #framing: Framing;
  readonly #choices = new Map<number, ChoiceView>();
  /** What all chunks share. */
  #shared: JsonObject = {};
  /** The same, rendered once: a chunk up to its choices. */
  #head = "";
  /** What follows the text of a text chunk. */
  readonly #textTail: string;
  readonly #usageKey: string;
  #usage: Usage | undefined;

  constructor(options: StreamOptions, framing: Framing) {
    this.#options = options;
    this.#framing = framing;
    this.#usageKey = options.includeUsage ? ',"usage":null' : "";
    this.#textTail = `},"logprobs":null,"finish_reason":null}]${this.#usageKey}}${framing.after}`;
  }

  push(event: StreamEvent): string {
    switch (event.case) {
      case "partDelta":
        return this.#more(event.value);
      case "started":
        return this.#start(event.value);
      case "partStarted":
        return this.#begin(event.value);
      case "partEnded":
        return this.#seal(event.value.choiceIndex, event.value.partIndex);
      case "choiceEnded":
        return this.#endChoice(event.value);
      case "usage":
        this.#usage = event.value;
        return "";
      case "completed":
        return this.#complete(event.value);
      case "heartbeat":
        return this.#framing.heartbeat;
      default:
        return event satisfies never;
    }
  }

  #start(event: StreamStarted): string {
    const created = Number(event.createTime?.seconds ?? 0n);
    this.#shared = { id: completionId(event.id), object: "chat.completion.chunk", created, model: event.model };
    this.#head = `${this.#framing.before}${JSON.stringify(this.#shared).slice(0, -1)},"choices":`;
    return "";
  }

  #begin(event: PartStarted): string {
    if (event.part === undefined) return "";
    const view = this.#viewAt(event.choiceIndex);
    const role = this.#open(view, event.part.part.case !== "text");
    const delta = startOf(event.part, event.partIndex, view, this.#options.legacyFunctions);
    return delta === undefined ? role : role + this.#chunk(view, delta, null);
  }

  #more(event: PartDelta): string {
    const view = this.#viewAt(event.choiceIndex);
    // The path of nearly every chunk: the text between two constants.
    if (event.delta.case === "text" && view.opened && event.logprobs.length === 0 && event.extensionsJson[extensionIssuer] === undefined) {
      view.said += codePoints(event.delta.value);
      return view.textHead + JSON.stringify(event.delta.value) + this.#textTail;
    }
    const role = this.#open(view, event.delta.case !== "text");
    const delta = deltaOf(event, view, this.#options.legacyFunctions);
    const logprobs = logprobsObject(event.logprobs, event.delta.case === "refusal");
    return delta === undefined && logprobs === null ? role : role + this.#chunk(view, delta ?? {}, logprobs);
  }

  #seal(choiceIndex: number, partIndex: number): string {
    const view = this.#viewAt(choiceIndex);
    const delta = endOf(partIndex, view);
    return delta === undefined ? "" : this.#chunk(view, delta, null);
  }

  /** Kept until `completed`: nothing looks finished that is not, and what is known last rides on the last finish. */
  #endChoice(event: ChoiceEnded): string {
    const view = this.#viewAt(event.choiceIndex);
    const role = this.#open(view, event.finishReason === FinishReason.TOOL_CALLS);
    const { legacyFunctions } = this.#options;
    const finish_reason = encodeFinishReason(event.finishReason, { hasRefusal: view.refused, legacyFunctions });
    const { choice, message } = splitExtensions(event.extensionsJson);
    const delta = extraFields(message) ?? {};
    view.finish = withExtensions(choice, { index: view.index, delta, logprobs: null, finish_reason });
    return role;
  }

  #complete(event: StreamCompleted): string {
    const shared: JsonObject = {
      ...this.#shared,
      ...(event.serviceTier !== "" && { service_tier: servedTier(event.serviceTier) }),
      ...(event.systemFingerprint !== "" && { system_fingerprint: event.systemFingerprint }),
    };
    const extra = extraFields(event.extensionsJson) ?? {};
    const ended = [...this.#choices.values()].filter((view) => view.finish !== undefined);
    let text = "";
    for (const [i, view] of ended.entries()) {
      const known = { ...shared, choices: [view.finish], ...(this.#options.includeUsage && { usage: null }) };
      text += this.#framed(i === ended.length - 1 ? merged(extra, known) : known);
    }
    const usage = event.usage ?? this.#usage;
    if (this.#options.includeUsage && usage !== undefined) text += this.#framed({ ...shared, choices: [], usage: encodeUsage(usage) });
    return text + this.#framing.done;
  }

  #framed(chunk: JsonObject): string {
    return this.#framing.before + JSON.stringify(chunk) + this.#framing.after;
  }

  /** The role comes once, in the choice's first delta; content is null until there is some, for an empty one beside calls reads as an answer. */
  #open(view: ChoiceView, isSilent: boolean): string {
    if (view.opened) return "";
    view.opened = true;
    return this.#chunk(view, { role: "assistant", content: isSilent ? null : "", refusal: null }, null);
  }

  #chunk(view: ChoiceView, delta: JsonObject, logprobs: JsonObject | null): string {
    return `${this.#head}[${JSON.stringify({ index: view.index, delta, logprobs, finish_reason: null })}]${this.#usageKey}}${this.#framing.after}`;
  }

  #viewAt(index: number): ChoiceView {
    let view = this.#choices.get(index);
    if (view === undefined) {
      view = createChoiceView(index, this.#head);
      this.#choices.set(index, view);
    }
    return view;
  }
}
