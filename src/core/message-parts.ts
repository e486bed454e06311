import { type ContentPart, type Message, Role, textPart } from "./chat.ts";

/** A part, and where it stands in the request. */
export interface PlacedPart {
  readonly part: ContentPart;
  /** `messages[1].content[0]`. */
  readonly path: string;
}

/**
 * What a request's message says, the shorthand `text` in front; `path` is the message's. An answer that is sent back as history says
 * its text twice: there the shorthand counts only where `content` does not hold it.
 */
export function partsOf(message: Message, path: string): readonly PlacedPart[] {
  const parts = message.content.map((part, i) => ({ part, path: `${path}.content[${i}]` }));
  if (message.text === "" || (message.role === Role.ASSISTANT && parts.length > 0)) return parts;
  return [{ part: textPart(message.text), path: `${path}.text` }, ...parts];
}
