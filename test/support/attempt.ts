import { create, type MessageInitShape } from "@bufbuild/protobuf";

import type { Attempt, KeyId } from "../../src/core/call.ts";
import { createCatalog, type Target, type TargetId } from "../../src/core/catalog.ts";
import {
  type CallRequest,
  type ChatRequest,
  ChatRequestSchema,
  type EmbedRequest,
  EmbedRequestSchema,
  Priority,
  Role,
} from "../../src/core/chat.ts";

/** A request that says `text` as the user, with whatever else the test needs. */
export function chatRequest(text: string, more: MessageInitShape<typeof ChatRequestSchema> = {}): ChatRequest {
  return create(ChatRequestSchema, { model: "sim-chat", messages: [{ role: Role.USER, text }], ...more });
}

/** A request to embed these texts or token arrays, with whatever else the test needs. */
export function embedRequest(
  inputs: readonly (string | readonly number[])[],
  more: MessageInitShape<typeof EmbedRequestSchema> = {},
): EmbedRequest {
  const list = inputs.map((each) =>
    typeof each === "string"
      ? { input: { case: "text" as const, value: each } }
      : { input: { case: "tokens" as const, value: { ids: [...each] } } },
  );
  return create(EmbedRequestSchema, { model: "sim-embed", inputs: list, ...more });
}

/** An embedding target of which nothing is known. */
export function embedTarget(more: Partial<Target> = {}): Target {
  return chatTarget({ id: "sim/sim-embed" as TargetId, model: "sim-embed", upstreamModel: "sim-embed", kind: "embedding", ...more });
}

/** A chat target of which nothing is known. */
export function chatTarget(more: Partial<Target> = {}): Target {
  return {
    id: "sim/sim-chat" as TargetId,
    provider: "sim",
    model: "sim-chat",
    upstreamModel: "sim-chat",
    kind: "chat",
    issuer: "simulated",
    capabilities: { $typeName: "semaroute.v1.ModelCapabilities" },
    price: undefined,
    timeoutMs: undefined,
    ...more,
  };
}

/** An attempt of an unbounded streamed call. */
export function attemptOf(request: CallRequest, more: Partial<Attempt> = {}): Attempt {
  return {
    id: "01936d9e-0000-7000-8000-000000000000",
    requestId: "01936d9e-0000-7000-8000-000000000000",
    door: "grpc",
    key: { id: "anonymous" as KeyId, name: "anonymous", models: undefined, priority: Priority.NORMAL },
    request,
    streamed: true,
    receivedMs: 0,
    deadline: Infinity,
    deadlineByCaller: false,
    signal: new AbortController().signal,
    snapshot: {
      catalog: createCatalog({ providers: [], aliases: new Map() }),
      providers: new Map(),
      policy: { revision: "test", name: "test", rank: () => ({ order: [], rule: "" }) },
      options: {
        attemptsMax: 3,
        retryBaseMs: 100,
        retryMaxMs: 2000,
        firstTokenMs: 60_000,
        idleMs: 60_000,
        progressMs: 300_000,
        retryBudget: 0.2,
        hedge: undefined,
        totalMs: 600_000,
        unsupportedFields: "drop",
      },
    },
    seed: 1,
    traceparent: undefined,
    target: chatTarget(),
    ordinal: 0,
    patienceMs: 0,
    insist: undefined,
    ...more,
  };
}
