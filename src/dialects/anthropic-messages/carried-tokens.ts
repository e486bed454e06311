import type { Opaque } from "../../core/chat.ts";
import { opaqueFromText, textFromOpaque } from "../../core/opaque-tag.ts";
import { type Fields, issuer } from "./fields.ts";

// A thinking block has room for one token, and all other blocks for none. What is left over travels in `redacted_thinking`
// blocks of our own, which clients send back untouched, and whose data says to which neighbour it belongs.

const signature = { issuer, kind: "signature" } as const;
const sealed = { issuer, kind: "redacted_thinking" } as const;
/** Who made a mark that is no vendor's token. */
const ours = "semaroute";
/** Of a thinking block whose vendor signed nothing: SDKs want a signature, and clients leave blocks without one out. */
const unsigned: Opaque = { $typeName: "semaroute.v1.Opaque", issuer: ours, kind: "unsigned", value: "" };

/** Whose token a block carries: that of the block before it, or of the one behind it. */
export type Neighbour = "of_last" | "of_next";

/** The block that carries a token for its neighbour. */
export function tokenBlock(of: Neighbour, token: Opaque): Fields {
  const value = textFromOpaque(token, { issuer: "", kind: "" });
  return { type: "redacted_thinking", data: textFromOpaque({ ...unsigned, kind: of, value }, sealed) };
}

/** The token in the data of such a block; undefined: it is a sealed thought. */
export function carriedToken(data: string): { readonly of: Neighbour; readonly token: Opaque } | undefined {
  const { issuer: by, kind, value } = opaqueFromText(data, sealed);
  if (by !== ours || (kind !== "of_last" && kind !== "of_next")) return undefined;
  return { of: kind, token: opaqueFromText(value, { issuer: "", kind: "" }) };
}

/** What stands in a thinking block's `signature`. */
export function signatureText(token: Opaque | undefined): string {
  return textFromOpaque(token ?? unsigned, signature);
}

/** The way back; none where nobody signed. */
export function tokensOfSignature(text: string): Opaque[] {
  if (text === "") return [];
  const token = opaqueFromText(text, signature);
  return token.issuer === ours ? [] : [token];
}

/** Tokens of reasoning, apart: those for a thinking block and behind it, and thoughts that Anthropic sealed. */
export function sortedTokens(tokens: readonly Opaque[]): { readonly signatures: readonly Opaque[]; readonly seals: readonly Opaque[] } {
  return { signatures: tokens.filter((token) => !isSeal(token)), seals: tokens.filter(isSeal) };
}

function isSeal({ issuer: by, kind }: Opaque): boolean {
  return by === sealed.issuer && kind === sealed.kind;
}

/** A thought that Anthropic sealed, as a block. */
export function sealBlock(token: Opaque): Fields {
  return { type: "redacted_thinking", data: token.value };
}
