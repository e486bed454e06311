import type { Opaque } from "./chat.ts";

/**
 * Doors whose protocol has one place for a sealed token and no word for its issuer (Anthropic's `signature` and `data`, the Responses
 * API's `encrypted_content`) carry a foreign one behind this mark: `sr1.<issuer>.<kind>.<value>`. No issuer's own tokens begin so;
 * they are base64.
 */
const mark = "sr1.";
const tagged = /^sr1\.([a-z0-9_-]{1,64})\.([a-z0-9_-]{1,64})\.(.*)$/s;

/** A token as text that a door can carry; that of the door's own issuer and kind is left as it is. */
export function textFromOpaque({ issuer, kind, value }: Opaque, own: Pick<Opaque, "issuer" | "kind">): string {
  return issuer === own.issuer && kind === own.kind && !value.startsWith(mark) ? value : `${mark}${issuer}.${kind}.${value}`;
}

/** The way back: whose token it is. What has no mark is the door's own issuer's. */
export function opaqueFromText(text: string, own: Pick<Opaque, "issuer" | "kind">): Opaque {
  const [, issuer = own.issuer, kind = own.kind, value = text] = tagged.exec(text) ?? [];
  return { $typeName: "semaroute.v1.Opaque", issuer, kind, value };
}
