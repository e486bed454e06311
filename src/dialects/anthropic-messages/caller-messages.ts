import { type ContentPart, type Message, message, Role, textPart } from "../../core/chat.ts";
import { type BlockPlace, contentFrom, partFromCaller } from "./caller-blocks.ts";
import { at, fieldsAt, refuse, requiredName } from "./caller-fields.ts";
import { carriedToken } from "./carried-tokens.ts";
import { extensionsFrom, type Fields, issuer, restOf } from "./fields.ts";

const messageKnown: ReadonlySet<string> = new Set(["role", "content"]);

/** The body's `system`, as the message in front of all others; none where it says nothing. */
export function systemFrom(body: Fields, strict: boolean): Message[] {
  const { system } = body;
  if (system === undefined || system === null || system === "") return [];
  if (typeof system === "string") return [message(Role.SYSTEM, [textPart(system)])];
  if (!Array.isArray(system)) return refuse("system", "must be a string or a list of blocks");
  const parts = system.map((block, i) => partFromCaller(block, `system.${i}`, { in: "system", strict }));
  return parts.length === 0 ? [] : [message(Role.SYSTEM, parts)];
}

/** The body's `messages`. Results of tools get a message of their own, in front of what else the user says. */
export function messagesFrom(list: readonly unknown[], strict: boolean): Message[] {
  return list.flatMap((value, i) => {
    const path = `messages.${i}`;
    const object = fieldsAt(value, path);
    const made = oneMessage(object, path, strict);
    const extensions = extensionsFrom(restOf(object, messageKnown));
    const [first] = made;
    if (first !== undefined) first.extensionsJson = extensions;
    return made;
  });
}

function oneMessage(object: Fields, path: string, strict: boolean): Message[] {
  const role = requiredName(object, "role", path);
  const content = (place: BlockPlace["in"]): ContentPart[] =>
    contentFrom(object, path, { in: place, strict }) ?? refuse(at(path, "content"), "is required");
  switch (role) {
    case "user": {
      const [results, rest] = apart(content("user"));
      if (results.length === 0) return [message(Role.USER, rest)];
      return rest.length === 0 ? [message(Role.TOOL, results)] : [message(Role.TOOL, results), message(Role.USER, rest)];
    }
    case "assistant":
      return [message(Role.ASSISTANT, withCarriedTokens(content("assistant")))];
    case "system":
      return [message(Role.SYSTEM, content("system"))];
    default:
      return refuse(at(path, "role"), "must be user, assistant or system");
  }
}

function apart(parts: readonly ContentPart[]): [results: ContentPart[], rest: ContentPart[]] {
  const results = parts.filter(({ part }) => part.case === "toolResult");
  return [results, parts.filter(({ part }) => part.case !== "toolResult")];
}

/** Gives the tokens that our own blocks carried back to the parts they belong to. */
function withCarriedTokens(parts: readonly ContentPart[]): ContentPart[] {
  const kept: ContentPart[] = [];
  const waiting: ContentPart["opaque"] = [];
  for (const part of parts) {
    const carried = carriedBy(part);
    if (carried === undefined) {
      part.opaque.push(...waiting.splice(0));
      kept.push(part);
    } else if (carried.of === "of_next") waiting.push(carried.token);
    else {
      const last = kept.at(-1);
      if (last !== undefined) (last.part.case === "reasoning" ? last.part.value.opaque : last.opaque).push(carried.token);
    }
  }
  return kept;
}

function carriedBy({ part }: ContentPart): ReturnType<typeof carriedToken> {
  if (part.case !== "reasoning") return undefined;
  const [token] = part.value.opaque;
  return token?.issuer === issuer && token.kind === "redacted_thinking" ? carriedToken(token.value) : undefined;
}
