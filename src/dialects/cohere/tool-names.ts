import { unsupported } from "./encoding.ts";

/** What tells functions that stand for free-form tools, which Cohere has not, from real ones. */
const freeform = "__freeform";

/**
 * A tool's name as Cohere takes it: letters, digits and underscores, no digit first (https://docs.cohere.com/reference/errors).
 * Everything is spelled out in the name itself, because the answer is read where the request is not at hand. `field` is where it
 * stands in the request.
 */
export function wireToolName(name: string, custom: boolean, field: string): string {
  const legal = name.replaceAll("-", "_x2d_").replace(/^\d/, (digit) => `_x3${digit}_`);
  const wireName = custom ? legal + freeform : legal;
  const back = callerToolName(wireName);
  if (back.name !== name || back.custom !== custom) throw unsupported(field, "takes no tool name that looks like a spelled out one");
  return wireName;
}

/** The caller's name of a tool, and its kind. */
export function callerToolName(wireName: string): { readonly name: string; readonly custom: boolean } {
  const custom = wireName.endsWith(freeform) && wireName.length > freeform.length;
  const legal = custom ? wireName.slice(0, -freeform.length) : wireName;
  return { name: legal.replaceAll(/_x2d_|^_x3\d_/g, (escape) => (escape === "_x2d_" ? "-" : escape.slice(3, 4))), custom };
}
