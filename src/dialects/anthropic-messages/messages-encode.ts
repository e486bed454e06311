import { type Message, Role } from "../../core/chat.ts";
import { ChatError } from "../../core/error.ts";
import { blocksOfPart, type Encoding } from "./blocks-encode.ts";
import { partsOf } from "../../core/message-parts.ts";
import { extensionFields, type Fields, mergedFields, textAt } from "./fields.ts";

/** What is collected, and what the model takes. */
export interface PromptEncoding extends Encoding {
  /** Instructions may stand behind a turn of the user's. */
  readonly systemTurns: boolean;
}

/** A request's messages as Anthropic takes them. */
export interface Prompt {
  /** Text, or blocks where a breakpoint or an extension needs them; undefined: no instructions. */
  readonly system: string | readonly Fields[] | undefined;
  /** Roles alternate; no message is empty. */
  readonly messages: readonly Fields[];
}

/**
 * Leading system messages become `system`, neighbours of one role one message. What a message becomes depends on nothing
 * behind it, so that a longer conversation begins with the bytes of the shorter one; signatures are bound to them.
 */
export function encodePrompt(messages: readonly Message[], instruction: string | undefined, encoding: PromptEncoding): Prompt {
  const found = messages.findIndex((each) => each.role !== Role.SYSTEM);
  const leading = found < 0 ? messages.length : found;
  const turns = turnsOf(messages, leading, encoding);
  if (turns.length === 0)
    throw new ChatError("UNSUPPORTED_FEATURE", "anthropic needs a message besides the instructions", { field: "messages" });
  return { system: encodeSystem(messages.slice(0, leading), instruction, encoding), messages: turns };
}

function encodeSystem(messages: readonly Message[], instruction: string | undefined, encoding: Encoding): Prompt["system"] {
  for (const [i, each] of messages.entries()) noteName(each, `messages[${i}]`, encoding);
  const blocks = messages.flatMap((each, i) =>
    partsOf(each, `messages[${i}]`).flatMap(({ part, path }) => blocksOfPart(part, "system", path, encoding)),
  );
  if (instruction !== undefined) blocks.push({ type: "text", text: instruction });
  if (blocks.length === 0) return undefined;
  // Messages of one text each are one text; a message of several keeps them apart, as whoever wrote them did.
  const apart = messages.some((each) => each.content.length + (each.text === "" ? 0 : 1) > 1);
  const plain = !apart && blocks.every((block) => block["type"] === "text" && Object.keys(block).length === 2);
  return plain ? blocks.map((block) => block["text"]).join("\n\n") : blocks;
}

/** One message on its way: results apart, since Anthropic wants them in front. */
interface Turn {
  readonly role: "user" | "assistant" | "system";
  extension: Fields | undefined;
  readonly results: Fields[];
  readonly content: Fields[];
}

function turnsOf(messages: readonly Message[], from: number, encoding: PromptEncoding): Fields[] {
  const turns: Turn[] = [];
  for (let i = from; i < messages.length; i++) {
    const each = messages[i];
    if (each === undefined) continue;
    let turn = turns.at(-1);
    const role = roleOf(each, turn?.role, encoding);
    const blocks = messageBlocks(each, i, role, encoding);
    if (blocks.length === 0) continue;
    if (turn?.role !== role) {
      turn = { role, extension: undefined, results: [], content: [] };
      turns.push(turn);
    }
    const extension = extensionFields(each.extensionsJson, `messages[${i}]`);
    if (extension !== undefined) turn.extension = mergedFields(turn.extension, extension);
    for (const block of blocks) (block["type"] === "tool_result" ? turn.results : turn.content).push(block);
  }
  return turns.map((turn, i) => {
    const content = [...inCallOrder(turn.results, turns[i - 1]?.content ?? []), ...turn.content];
    return mergedFields(turn.extension, { role: turn.role, content });
  });
}

/** Later instructions have a role of their own only behind a turn of the user's. */
function roleOf(each: Message, before: Turn["role"] | undefined, { systemTurns }: PromptEncoding): Turn["role"] {
  if (each.role === Role.ASSISTANT) return "assistant";
  return each.role === Role.SYSTEM && systemTurns && (before === "user" || before === "system") ? "system" : "user";
}

function messageBlocks(each: Message, index: number, role: Turn["role"], encoding: Encoding): readonly Fields[] {
  const path = `messages[${index}]`;
  noteName(each, path, encoding);
  if (role === "system") return partsOf(each, path).flatMap(({ part, path: at }) => blocksOfPart(part, "system", at, encoding));
  if (each.role === Role.SYSTEM) return laterInstructions(each, path, encoding);
  const place = each.role === Role.ASSISTANT ? "assistant" : "user";
  return partsOf(each, path).flatMap(({ part, path: at }) => blocksOfPart(part, place, at, encoding));
}

function noteName({ name }: Message, path: string, { notes }: Encoding): void {
  if (name !== "") notes.dropped(`${path}.name`, "anthropic has no participant names");
}

/** Never hoisted into `system`: that would change the order, and the prefix every signature is bound to. */
function laterInstructions(each: Message, path: string, encoding: Encoding): readonly Fields[] {
  const blocks = partsOf(each, path).flatMap(({ part, path: at }) => blocksOfPart(part, "system", at, encoding));
  if (blocks.length === 0) return [];
  encoding.notes.approximated(path, "instructions after the first turn are sent as user text in <system> tags");
  return blocks.map((block) => (block["type"] === "text" ? { ...block, text: `<system>\n${textAt(block, "text")}\n</system>` } : block));
}

/** Results of parallel calls in the order of their calls; those without a call stay behind, as they came. */
function inCallOrder(results: readonly Fields[], calls: readonly Fields[]): readonly Fields[] {
  const order = new Map<unknown, number>();
  for (const block of calls) if (block["type"] === "tool_use") order.set(block["id"], order.size);
  const place = (result: Fields): number => order.get(result["tool_use_id"]) ?? order.size;
  return results.toSorted((a, b) => place(a) - place(b));
}
