import type { ContentPart, Opaque } from "../../core/chat.ts";
import { issuer } from "./fields.ts";

/** What Google calls the token in `Opaque.kind`. */
const kind = "thought_signature";

/**
 * Stands where a call of Gemini 3 must have a signature and has none, because it was made elsewhere or its signature was lost on
 * the way. https://ai.google.dev/gemini-api/docs/thought-signatures
 */
export const missingSignature = "skip_thought_signature_validator";

/** A signature as the token of a part; none where it is empty. */
export function signatureTokens(signature: string): Opaque[] {
  return signature === "" ? [] : [{ $typeName: "semaroute.v1.Opaque", issuer, kind, value: signature }];
}

/** Google's signature on the part; undefined where it has none. */
export function signatureOf({ part, opaque }: ContentPart): string | undefined {
  const tokens = part.case === "reasoning" ? [...part.value.opaque, ...opaque] : opaque;
  return tokens.find(isSignature)?.value;
}

/** Whether it is one of Google's, for a part of any kind. */
export function isSignature(token: Opaque): boolean {
  return token.issuer === issuer && token.kind === kind;
}
