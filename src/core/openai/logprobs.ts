import type { TokenLogprob } from "../chat.ts";
import { isJsonObject, type JsonObject } from "../json-fields.ts";

/** The array in `logprobs.content` or `logprobs.refusal`; anything else, such as the old completions' shape, is none. */
export function decodeLogprobs(value: unknown): TokenLogprob[] {
  if (!Array.isArray(value)) return [];
  const tokens: TokenLogprob[] = [];
  for (const each of value) {
    if (!isJsonObject(each)) continue;
    const alternatives: readonly unknown[] = Array.isArray(each["top_logprobs"]) ? each["top_logprobs"] : [];
    const top = alternatives.filter(isJsonObject).map((one) => ({ $typeName: "semaroute.v1.TopLogprob" as const, ...tokenOf(one) }));
    tokens.push({ $typeName: "semaroute.v1.TokenLogprob", ...tokenOf(each), top });
  }
  return tokens;
}

/** Tokens in OpenAI's words. */
export function encodeLogprobs(tokens: readonly TokenLogprob[]): readonly JsonObject[] {
  return tokens.map((token) => ({ ...tokenJson(token), top_logprobs: token.top.map(tokenJson) }));
}

interface Token {
  token: string;
  logprob: number;
  bytes: Uint8Array;
}

function tokenOf(object: JsonObject): Token {
  const { token, logprob, bytes } = object;
  return {
    token: typeof token === "string" ? token : "",
    logprob: typeof logprob === "number" ? logprob : 0,
    bytes: Array.isArray(bytes) ? Uint8Array.from(bytes.filter((byte) => typeof byte === "number")) : new Uint8Array(),
  };
}

function tokenJson(token: Readonly<Token>): JsonObject {
  return { token: token.token, logprob: token.logprob, bytes: token.bytes.length === 0 && token.token !== "" ? null : [...token.bytes] };
}
