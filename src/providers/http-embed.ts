import type { Attempt } from "../core/call.ts";
import { type EmbedRequest, type EmbedResponse, type Usage, usageOf } from "../core/chat.ts";
import type { EmbeddingLanguage, EncodedRequest, UpstreamDialect } from "../core/dialect.ts";
import { ChatError } from "../core/error.ts";
import type { ProviderEvent } from "../core/provider.ts";
import { type Answering, embeddedAnswer, requestIdFrom } from "./http-answer.ts";
import type { WireAnswer } from "./wire/body.ts";

/** Where a host embeds. */
export interface Embedding {
  /** From the origin's root, base path and query included. */
  readonly path: (call: { readonly model: string; readonly streamed: boolean }) => string;
  /** Most inputs of one request; undefined: as many as a call has. */
  readonly inputsMax: number | undefined;
}

/** Whom to ask, and how. */
export interface Embedder extends Answering {
  readonly embedding: Embedding | undefined;
  /** Sends one request and reads its answer; closes it, whatever came. */
  ask<T>(asked: { readonly path: string; readonly encoded: EncodedRequest }, read: (answer: WireAnswer) => Promise<T>): Promise<T>;
}

/**
 * One try at embeddings: a request for as many inputs as the host takes at once, one after another. What an earlier one
 * used is told before the next is sent, so that it is accounted for if that one fails.
 */
export async function* embed(
  { target }: Attempt,
  request: Readonly<EmbedRequest>,
  embedder: Embedder,
): AsyncGenerator<readonly ProviderEvent[], undefined> {
  const { who, embedding, quirks } = embedder;
  const language = embedLanguage(who, embedder);
  const path = embedding?.path({ model: target.upstreamModel, streamed: false }) ?? "";
  // All of them are encoded before the first is sent: what cannot be asked at all costs nothing.
  const parts = partsOf(request, embedding?.inputsMax ?? request.inputs.length);
  const requests = parts.map((part) => ({ part, encoded: language.encodeRequest(part, target, quirks) }));
  let answer: EmbedResponse | undefined;
  for (const { part, encoded } of requests) {
    let head: ProviderEvent | undefined;
    const more = await embedder.ask({ path, encoded }, (wire) => {
      const value = { status: wire.status, requestId: requestIdFrom(wire.headers, embedder), notes: encoded.notes };
      head = { case: "head", value };
      return embeddedAnswer(wire, part, embedder);
    });
    if (answer === undefined && head !== undefined) yield [head];
    answer = answer === undefined ? more : joined(answer, more);
    if (part !== parts.at(-1) && answer.usage !== undefined) yield [{ case: "usage", value: answer.usage }];
  }
  if (answer !== undefined) yield [{ case: "embedded", value: answer }];
}

/** What a host speaks that embeds; throws where it does not. */
export function embedLanguage(
  who: string,
  { dialect, embedding }: { readonly dialect: UpstreamDialect; readonly embedding?: Embedding | undefined },
): EmbeddingLanguage {
  if (dialect.embeddings !== undefined && embedding !== undefined) return dialect.embeddings;
  throw new ChatError("UNSUPPORTED_FEATURE", `${who} has no embeddings`, { field: "model" });
}

function partsOf(request: Readonly<EmbedRequest>, inputsMax: number): Readonly<EmbedRequest>[] {
  const { inputs } = request;
  if (inputs.length <= inputsMax) return [request];
  return Array.from({ length: Math.ceil(inputs.length / inputsMax) }, (_, i) => ({
    ...request,
    inputs: inputs.slice(i * inputsMax, (i + 1) * inputsMax),
  }));
}

function joined(first: EmbedResponse, more: EmbedResponse): EmbedResponse {
  const from = first.embeddings.length;
  const embeddings = [...first.embeddings, ...more.embeddings.map((each) => ({ ...each, index: from + each.index }))];
  return { ...first, embeddings, usage: sum(first.usage, more.usage) };
}

function sum(a: Usage | undefined, b: Usage | undefined): Usage | undefined {
  return a === undefined || b === undefined ? undefined : usageOf(a.inputTokens + b.inputTokens, 0);
}
