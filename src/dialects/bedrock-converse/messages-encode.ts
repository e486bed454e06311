import { type Message, Role } from "../../core/chat.ts";
import { ChatError } from "../../core/error.ts";
import { type Fields, isJsonObject, mergedFields, textAt } from "../../core/json-fields.ts";
import { partsOf } from "../../core/message-parts.ts";
import { extensionFields } from "./fields.ts";
import { blocksOfPart, type Encoding } from "./parts-encode.ts";

/** One message as Converse takes it. */
export interface Turn {
  readonly role: "user" | "assistant";
  readonly content: Fields[];
  /** Fields of the caller's own. */
  readonly extension: Fields | undefined;
}

/** A request's messages as Converse takes them. */
export interface Prompt {
  readonly system: Fields[];
  /** Roles alternate, the user first; no message is empty. */
  readonly messages: readonly Turn[];
}

/**
 * Leading system messages become `system`, neighbours of one role one message. What a message becomes depends on nothing behind it,
 * so that a longer conversation begins with the bytes of the shorter one; signatures are bound to them.
 */
export function encodePrompt(messages: readonly Message[], instruction: string | undefined, encoding: Encoding): Prompt {
  const found = messages.findIndex((each) => each.role !== Role.SYSTEM);
  const leading = found < 0 ? messages.length : found;
  const turns = turnsOf(messages, leading, encoding);
  if (turns.length === 0)
    throw new ChatError("UNSUPPORTED_FEATURE", "bedrock needs a message besides the instructions", { field: "messages" });
  // https://github.com/RooCodeInc/Roo-Code/issues/4147
  if (turns[0]?.role !== "user")
    throw new ChatError("UNSUPPORTED_FEATURE", "bedrock's conversations begin with the user", { field: "messages" });
  const system = messages.slice(0, leading).flatMap((each, i) => systemBlocks(each, `messages[${i}]`, encoding));
  if (instruction !== undefined) system.push({ text: instruction });
  return { system, messages: turns };
}

function noteName({ name }: Message, path: string, { notes }: Encoding): void {
  if (name !== "") notes.dropped(`${path}.name`, "bedrock has no participant names");
}

function systemBlocks(each: Message, path: string, encoding: Encoding): readonly Fields[] {
  noteName(each, path, encoding);
  return partsOf(each, path).flatMap(({ part, path: at }) => blocksOfPart(part, "system", at, encoding));
}

/** A message on its way: results apart, each with what belongs behind it, since they come in front in the order of their calls. */
interface OpenTurn {
  readonly role: "user" | "assistant";
  extension: Fields | undefined;
  readonly results: (readonly Fields[])[];
  readonly content: Fields[];
}

function turnsOf(messages: readonly Message[], from: number, encoding: Encoding): Turn[] {
  const turns: OpenTurn[] = [];
  for (let i = from; i < messages.length; i++) {
    const each = messages[i];
    if (each === undefined) continue;
    const pieces = messagePieces(each, i, encoding);
    if (pieces.length === 0) continue;
    const role = each.role === Role.ASSISTANT ? "assistant" : "user";
    let turn = turns.at(-1);
    if (turn?.role !== role) {
      turn = { role, extension: undefined, results: [], content: [] };
      turns.push(turn);
    }
    const extension = extensionFields(each.extensionsJson, `messages[${i}]`);
    if (extension !== undefined) turn.extension = mergedFields(turn.extension, extension);
    for (const piece of pieces) {
      if (isJsonObject(piece[0]?.["toolResult"])) turn.results.push(piece);
      else turn.content.push(...piece);
    }
  }
  return turns.map(({ role, extension, results, content }, i) => ({
    role,
    extension,
    content: [...inCallOrder(results, turns[i - 1]?.content ?? []), ...content],
  }));
}

/** What each part of a message becomes. */
function messagePieces(each: Message, index: number, encoding: Encoding): readonly (readonly Fields[])[] {
  const path = `messages[${index}]`;
  if (each.role === Role.SYSTEM) return laterInstructions(each, path, encoding);
  noteName(each, path, encoding);
  const place = each.role === Role.ASSISTANT ? "assistant" : "user";
  const pieces = partsOf(each, path)
    .map(({ part, path: at }) => blocksOfPart(part, place, at, encoding))
    .filter((blocks) => blocks.length > 0);
  const blocks = pieces.flat();
  if (!blocks.some((block) => "document" in block) || blocks.some((block) => "text" in block)) return pieces;
  encoding.notes.emulated(`${path}.content`, "bedrock wants text beside a document; a few words are added");
  return [...pieces, [{ text: "See the attached document." }]];
}

/** Never hoisted into `system`: that would change the order, and the prefix every signature is bound to. */
function laterInstructions(each: Message, path: string, encoding: Encoding): readonly (readonly Fields[])[] {
  const blocks = systemBlocks(each, path, encoding);
  if (blocks.length === 0) return [];
  encoding.notes.approximated(path, "instructions after the first turn are sent as user text in <system> tags");
  return [blocks.map((block) => ("text" in block ? { text: `<system>\n${textAt(block, "text")}\n</system>` } : block))];
}

/** Results of parallel calls in the order of their calls; those without a call stay behind, as they came. */
function inCallOrder(results: readonly (readonly Fields[])[], calls: readonly Fields[]): readonly Fields[] {
  const order = new Map<unknown, number>();
  for (const { toolUse } of calls) if (isJsonObject(toolUse)) order.set(toolUse["toolUseId"], order.size);
  const place = ([first]: readonly Fields[]): number => {
    const result = first?.["toolResult"];
    return order.get(isJsonObject(result) ? result["toolUseId"] : undefined) ?? order.size;
  };
  const sorted = results.toSorted((a, b) => place(a) - place(b));
  // Models want the results of one turn next to each other, so that what stands behind them comes after the last.
  return [...sorted.flatMap((piece) => piece.filter(isOfResult)), ...sorted.flatMap((piece) => piece.filter((each) => !isOfResult(each)))];
}

function isOfResult(block: Fields): boolean {
  return "toolResult" in block || "cachePoint" in block;
}
