import { hash } from "node:crypto";
import { toBinary } from "@bufbuild/protobuf";
import { type CacheKey, cacheKey } from "../core/cache.ts";
import type { Call } from "../core/call.ts";
import {
  CacheMode,
  type ChatRequest,
  ChatRequestSchema,
  EmbedRequestSchema,
  isEmbedRequest,
  type RoutingOptions,
  RoutingOptionsSchema,
} from "../core/chat.ts";

/** Over the whole request, routing wishes and unknown fields included; metadata, tags and timeouts not. Always within one tenant. */
export function keyOf({ key, request }: Call): CacheKey {
  // A chat and a call for embeddings may be the same bytes.
  return isEmbedRequest(request)
    ? cacheKey(key.id, `${hash("sha256", toBinary(EmbedRequestSchema, { ...request, routing: wishesOf(request) }), "base64url")}e`)
    : cacheKey(key.id, hash("sha256", chatBytes(request), "base64url"));
}

/** What of a chat shapes its answer. */
export function chatBytes(request: Readonly<ChatRequest>): Uint8Array {
  return toBinary(ChatRequestSchema, { ...request, metadata: {}, routing: wishesOf(request) });
}

/** What of its wishes does; undefined where nothing does, for even an empty message would make another key. */
function wishesOf({ routing: all }: { readonly routing?: RoutingOptions | undefined }): RoutingOptions | undefined {
  if (all === undefined) return undefined;
  const { firstTokenTimeout: _timeout, ...routing } = all;
  const wishes = { ...routing, tags: {}, cache: CacheMode.UNSPECIFIED };
  return toBinary(RoutingOptionsSchema, wishes).length === 0 ? undefined : wishes;
}
