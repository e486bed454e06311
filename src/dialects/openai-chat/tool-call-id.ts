import type { Quirks } from "../../core/dialect.ts";
import { hashText } from "../../core/text-hash.ts";

/** An id in the shape that the host takes: a pure function of it, so that every turn says the same in call and result. */
export function toolCallId(id: string, quirks: Quirks): string {
  if (quirks.toolCallId === undefined || /^[A-Za-z0-9]{9}$/.test(id)) return id;
  return hashText(id).padStart(9, "0").slice(-9);
}
