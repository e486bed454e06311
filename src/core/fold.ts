import {
  type AudioPart,
  type Batch,
  type ChatEvent,
  type ChatResponse,
  type Choice,
  chatResponse,
  choice,
  type ContentPart,
  type PartDelta,
  type StreamCompleted,
  type StreamStarted,
  textPart,
} from "./chat.ts";
import { splitExtensions } from "./message-extensions.ts";

/** Reads a stream to its end and makes one answer of it. */
export async function fold(batches: AsyncIterable<Batch>): Promise<ChatResponse> {
  const folder = createFolder();
  for await (const batch of batches) for (const event of batch) folder.push(event);
  return folder.response();
}

/** Collects events into one answer; what `fold` does, for those who drive the loop themselves. */
export interface Folder {
  push(event: ChatEvent): void;
  response(): ChatResponse;
}

/** A fresh folder. */
export function createFolder(): Folder {
  return new Folding();
}

class Folding implements Folder {
  #response: ChatResponse = chatResponse("", [], undefined);
  readonly #choices = new Map<number, Choice>();

  push(event: ChatEvent): void {
    switch (event.case) {
      case "whole":
        this.#response = event.value;
        return;
      case "started":
        this.#start(event.value);
        return;
      case "partStarted":
        // A copy: deltas are appended to it, and a cached event must stay as it came.
        if (event.value.part !== undefined)
          partsOf(this.#choiceAt(event.value.choiceIndex))[event.value.partIndex] = copied(event.value.part);
        return;
      case "partDelta": {
        const to = this.#choiceAt(event.value.choiceIndex);
        append(to, event.value);
        to.logprobs.push(...event.value.logprobs);
        return;
      }
      case "choiceEnded": {
        const { choiceIndex, finishReason, nativeFinishReason, stopSequence, extensionsJson } = event.value;
        const to = this.#choiceAt(choiceIndex);
        Object.assign(to, { finishReason, nativeFinishReason, stopSequence });
        const { choice: own, message } = splitExtensions(extensionsJson);
        Object.assign(to.extensionsJson, own);
        if (to.message !== undefined) Object.assign(to.message.extensionsJson, message);
        return;
      }
      case "usage":
        this.#response.usage = event.value;
        return;
      case "completed":
        this.#complete(event.value);
        return;
      case "partEnded":
      case "heartbeat":
      case "embedded":
        return;
      default:
        event satisfies never;
    }
  }

  response(): ChatResponse {
    const response = this.#response;
    if (response.choices.length === 0) response.choices = [...this.#choices.values()].toSorted((a, b) => a.index - b.index);
    for (const { message } of response.choices) {
      if (message === undefined) continue;
      // Indices are the upstream's: what it skipped leaves no holes.
      if (this.#choices.size > 0) message.content = message.content.filter(() => true);
      message.text = textOf(message.content);
    }
    return response;
  }

  #choiceAt(index: number): Choice {
    let found = this.#choices.get(index);
    if (found === undefined) {
      found = choice(index, []);
      this.#choices.set(index, found);
    }
    return found;
  }

  #start({ id, model, createTime, route }: StreamStarted): void {
    this.#response.id = id;
    this.#response.model = model;
    if (createTime !== undefined) this.#response.createTime = createTime;
    if (route !== undefined) this.#response.route = route;
  }

  #complete({ usage, route, serviceTier, systemFingerprint, extensionsJson }: StreamCompleted): void {
    if (usage !== undefined) this.#response.usage = usage;
    if (route !== undefined) this.#response.route = route;
    Object.assign(this.#response, { serviceTier, systemFingerprint, extensionsJson });
  }
}

/** All text parts joined. */
export function textOf(content: readonly ContentPart[]): string {
  let text = "";
  for (const part of content) if (part.part.case === "text") text += part.part.value.text;
  return text;
}

function partsOf(to: Choice): ContentPart[] {
  return to.message?.content ?? [];
}

function copied(part: ContentPart): ContentPart {
  return structuredClone(part);
}

function append(to: Choice, delta: PartDelta): void {
  const parts = partsOf(to);
  const part = (parts[delta.partIndex] ??= textPart(""));
  const { part: inner } = part;
  const { delta: more } = delta;
  switch (more.case) {
    case "text":
      if (inner.case === "text") inner.value.text += more.value;
      break;
    case "argumentsJson":
      if (inner.case === "toolCall") inner.value.argumentsJson += more.value;
      break;
    case "reasoning":
      if (inner.case === "reasoning") inner.value.text += more.value;
      break;
    case "refusal":
      if (inner.case === "refusal") inner.value.text += more.value;
      break;
    case "audio":
      if (inner.case === "audio") appendAudio(inner.value, more.value);
      break;
    case "audioTranscript":
      if (inner.case === "audio") inner.value.transcript += more.value;
      break;
    case "citation":
      if (inner.case === "text") inner.value.citations.push(more.value);
      break;
    case "opaque": {
      const list = inner.case === "reasoning" ? inner.value.opaque : part.opaque;
      const at = list.findIndex((known) => known.issuer === more.value.issuer && known.kind === more.value.kind);
      if (at < 0) list.push(more.value);
      else list[at] = more.value;
      break;
    }
    case undefined:
      break;
    default:
      more satisfies never;
  }
  Object.assign(part.extensionsJson, delta.extensionsJson);
}

function appendAudio(audio: AudioPart, more: Uint8Array): void {
  const source = audio.media?.source;
  if (source?.case !== "data") return;
  const joined = new Uint8Array(source.value.length + more.length);
  joined.set(source.value);
  joined.set(more, source.value.length);
  source.value = joined;
}
