import { type ContentPart, type Message, Role } from "../../core/chat.ts";
import { ChatError } from "../../core/error.ts";
import { type Fields, mergedFields } from "../../core/json-fields.ts";
import { partsOf } from "../../core/message-parts.ts";
import { argumentsObject } from "../../core/tool-arguments.ts";
import type { Encoding } from "./encoding.ts";
import { extensionFields } from "./fields.ts";
import { encodePart, noteLosses, type Place, signed } from "./parts-encode.ts";
import { type PendingResult, resultParts, type WaitingCall } from "./results-encode.ts";
import { missingSignature } from "./signatures.ts";

/** A request's messages as Google takes them. */
export interface Prompt {
  /** Undefined: no instructions. */
  readonly systemInstruction: Fields | undefined;
  /** Roles alternate; none is empty. */
  readonly contents: readonly Fields[];
}

/**
 * Leading system messages become `systemInstruction`, neighbours of one role one content. What a message becomes depends on nothing
 * behind it, so that a longer conversation begins with the bytes of the shorter one.
 */
export function encodePrompt(messages: readonly Message[], encoding: Encoding): Prompt {
  const found = messages.findIndex((each) => each.role !== Role.SYSTEM);
  const leading = found < 0 ? messages.length : found;
  const instructions = messages.slice(0, leading).flatMap((each, i) => plainParts(each, "system", `messages[${i}]`, encoding));
  const contents = contentsOf(messages, leading, encoding);
  if (contents.length === 0)
    throw new ChatError("UNSUPPORTED_FEATURE", "gemini needs a message besides the instructions", { field: "messages" });
  return { systemInstruction: instructions.length === 0 ? undefined : { parts: instructions }, contents };
}

/** One content on its way: results apart, since they have to stand in front, in the order of their calls. */
interface Turn {
  readonly role: "user" | "model";
  extension: Fields | undefined;
  readonly results: PendingResult[];
  readonly calls: WaitingCall[];
  readonly parts: Fields[];
}

function contentsOf(messages: readonly Message[], from: number, encoding: Encoding): Fields[] {
  const turns: Turn[] = [];
  let turn: Turn | undefined;
  for (let i = from; i < messages.length; i++) {
    const each = messages[i];
    if (each === undefined) continue;
    const path = `messages[${i}]`;
    const next = turnOf(each, path, encoding);
    if (next.parts.length + next.results.length === 0) continue;
    if (turn?.role !== next.role) turns.push((turn = next));
    else {
      turn.results.push(...next.results);
      turn.calls.push(...next.calls);
      turn.parts.push(...next.parts);
    }
    const extension = extensionFields(each.extensionsJson, path);
    if (extension !== undefined) turn.extension = mergedFields(turn.extension, extension);
  }
  return turns.map((each, i) => {
    const { role, extension } = each;
    if (encoding.rules.generation3) signStep(each);
    const results = role === "user" ? resultParts(each.results, turns[i - 1]?.calls ?? [], encoding) : [];
    return mergedFields(extension, { role, parts: [...results, ...each.parts] });
  });
}

/** Of a step's calls the first must be signed; those beside it need no signature. */
function signStep({ calls: [call] }: Turn): void {
  if (call !== undefined && call.fields["thoughtSignature"] === undefined) call.fields["thoughtSignature"] = missingSignature;
}

function turnOf(each: Message, path: string, encoding: Encoding): Turn {
  const { notes } = encoding;
  const turn: Turn = { role: each.role === Role.ASSISTANT ? "model" : "user", extension: undefined, results: [], calls: [], parts: [] };
  if (each.role === Role.SYSTEM) {
    // Never hoisted: that would change the order, and with it what is cached.
    notes.approximated(path, "instructions after the first turn are sent as user text in <system> tags");
    turn.parts.push(
      ...plainParts(each, "system", path, encoding).map((part) => ({ ...part, text: `<system>\n${String(part["text"])}\n</system>` })),
    );
    return turn;
  }
  noteName(each, path, encoding);
  for (const { part, path: at } of partsOf(each, path)) addPart(turn, part, at, encoding);
  return turn;
}

function addPart(turn: Turn, part: ContentPart, path: string, encoding: Encoding): void {
  const { part: inner } = part;
  switch (inner.case) {
    case "toolCall": {
      if (turn.role !== "model") throw misplaced("tool call", path);
      noteLosses(part, path, encoding);
      const { id, name, argumentsJson, custom } = inner.value;
      const wire = custom ? encoding.names.freeform(name) : encoding.names.wire(name);
      const args = custom ? { input: argumentsJson } : argumentsObject(argumentsJson, path, encoding.notes);
      const functionCall = encoding.rules.generation3 ? { id, name: wire, args } : { name: wire, args };
      const fields = signed(part, { functionCall }, "model", path);
      turn.parts.push(fields);
      turn.calls.push({ id, name: wire, path, fields });
      return;
    }
    case "toolResult":
      if (turn.role !== "user") throw misplaced("tool result", path);
      noteLosses(part, path, encoding);
      turn.results.push({ result: inner.value, extension: extensionFields(part.extensionsJson, path), path });
      return;
    default:
      turn.parts.push(...encodePart(part, inner, turn.role, path, encoding));
  }
}

function noteName({ name }: Message, path: string, { notes }: Encoding): void {
  if (name !== "") notes.dropped(`${path}.name`, "gemini has no participant names");
}

function plainParts(each: Message, place: Place, path: string, encoding: Encoding): readonly Fields[] {
  noteName(each, path, encoding);
  return partsOf(each, path).flatMap(({ part, path: at }) => {
    const { part: inner } = part;
    if (inner.case === "toolCall" || inner.case === "toolResult") throw misplaced("tool part", at);
    return encodePart(part, inner, place, at, encoding);
  });
}

function misplaced(what: string, field: string): ChatError {
  return new ChatError("INVALID_REQUEST", `a ${what} cannot stand here`, { field });
}
