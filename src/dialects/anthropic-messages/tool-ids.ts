import { shortHash } from "../../core/short-hash.ts";

const legal = /^[a-zA-Z0-9_-]+$/;

/**
 * The id as Anthropic takes it. An illegal one, made by another vendor, is replaced by a pure function of itself, so that
 * call and result still meet and a later turn says the same bytes.
 */
export function wireToolId(id: string): string {
  return legal.test(id) ? id : `toolu_${shortHash(id)}`;
}
