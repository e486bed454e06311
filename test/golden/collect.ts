/** What a client of each REST door makes of a stream: the same object that a whole answer is. Refuses streams that SDKs would trip over. */
import { createParser } from "eventsource-parser";

/** Whatever JSON holds: what a test looks at, it expects. */
export type Json = Record<string, unknown>;

/** An error in a stream's place in its protocol. */
function refuse(text: string): never {
  throw new Error(text);
}

function eventsIn(sse: string): readonly { readonly name: string | undefined; readonly data: string }[] {
  const events: { name: string | undefined; data: string }[] = [];
  createParser({ onEvent: ({ event, data }) => events.push({ name: event, data }) }).feed(sse);
  return events;
}

interface Chunk extends Json {
  readonly choices: readonly {
    readonly index: number;
    readonly delta: Json;
    readonly finish_reason: string | null;
    readonly logprobs: { readonly content: unknown[] | null } | null;
  }[];
}

/** Chat completions: roles once and first, tool indices dense, one finish a choice, usage last, and the mark of the end. */
export function collectChunks(sse: string): Json {
  const events = eventsIn(sse);
  if (events.at(-1)?.data !== "[DONE]") refuse("no [DONE] at the end");
  const choices = new Map<number, Json>();
  let whole: Json = {};
  for (const { name, data } of events.slice(0, -1)) {
    if (name !== undefined) refuse("a chunk has a name");
    const { choices: list, ...chunk }: Chunk = JSON.parse(data);
    if (whole["usage"] !== undefined && whole["usage"] !== null) refuse("a chunk after the usage");
    if (list.length === 0 && typeof chunk["usage"] !== "object") refuse("a chunk without choices or usage");
    for (const key of ["id", "created", "model"]) if (whole[key] !== undefined && whole[key] !== chunk[key]) refuse(`${key} changes`);
    whole = { ...whole, ...chunk };
    for (const { index, delta, finish_reason, logprobs, ...extra } of list) {
      const known = choices.get(index);
      if ((delta["role"] === "assistant") !== (known === undefined)) refuse("a role that is not the choice's first word");
      const choice = known ?? { index, message: {}, finish_reason: null, logprobs: null };
      choices.set(index, choice);
      if (choice["finish_reason"] !== null) refuse("a chunk after the finish");
      Object.assign(choice, extra, { finish_reason });
      if (logprobs !== null) choice["logprobs"] = joined(choice["logprobs"], logprobs);
      grow(choice["message"] as Json, delta);
    }
  }
  const list = [...choices.values()];
  for (const { finish_reason } of list) if (typeof finish_reason !== "string" || finish_reason === "") refuse("a choice without an end");
  return { ...whole, object: "chat.completion", choices: list };
}

function joined(before: unknown, more: { readonly content: unknown[] | null }): unknown {
  const all = (before as { content: unknown[] } | null)?.content ?? [];
  return { ...more, content: [...all, ...(more.content ?? [])] };
}

/** Strings are appended, lists too, and calls by their index; all else is replaced. */
function grow(message: Json, delta: Json): void {
  for (const [key, value] of Object.entries(delta)) {
    const before = message[key];
    if (key === "tool_calls") message[key] = (value as Json[]).reduce(withCall, (before as Json[] | undefined) ?? []);
    else if (key === "audio") message[key] = grown((before as Json | undefined) ?? {}, value as Json);
    else if (typeof before === "string" && typeof value === "string" && key !== "role") message[key] = before + value;
    else if (Array.isArray(before) && Array.isArray(value)) message[key] = [...before, ...value];
    else if (value !== null || before === undefined) message[key] = value;
  }
}

function grown(before: Json, more: Json): Json {
  const all = { ...before };
  for (const [key, value] of Object.entries(more)) {
    const known = all[key];
    if (key === "data" && typeof known === "string")
      all[key] = Buffer.concat([Buffer.from(known, "base64"), Buffer.from(String(value), "base64")]).toString("base64");
    else all[key] = typeof known === "string" ? known + String(value) : value;
  }
  return all;
}

function withCall(calls: Json[], { index, ...more }: Json): Json[] {
  if (typeof index !== "number" || index > calls.length) refuse("a call's index leaves a gap");
  const known = calls[index];
  if (known === undefined) {
    if (typeof more["id"] !== "string" || more["id"] === "" || typeof more["type"] !== "string") refuse("a call begins without id or type");
    return [...calls, more];
  }
  if (index !== calls.length - 1 && more["id"] !== undefined) refuse("a call begins twice");
  const kind = String(known["type"]);
  const [inner, rest] = [known[kind] as Json, more[kind] as Json | undefined];
  const field = kind === "custom" ? "input" : "arguments";
  if (rest !== undefined) known[kind] = { ...inner, [field]: String(inner[field]) + String(rest[field]) };
  const { [kind]: _grown, ...others } = more;
  Object.assign(known, others);
  return calls;
}

/** Responses: numbers without a gap, items dense, and the whole of it in the last event. */
export function collectResponse(sse: string): Json {
  const events = eventsIn(sse).map(({ name, data }) => {
    const event: Json = JSON.parse(data);
    return event["type"] === name ? event : refuse(`event ${name} has another type`);
  });
  const output: (Json | undefined)[] = [];
  const open = new Set<unknown>();
  for (const [i, event] of events.entries()) {
    if (event["sequence_number"] !== i) refuse("a number is missing");
    if (i < 2 && event["type"] !== ["response.created", "response.in_progress"][i]) refuse("does not begin as it has to");
    const at = event["output_index"];
    if (event["type"] === "response.output_item.added") {
      if (at !== output.length) refuse("an item out of order");
      output.push(undefined);
      open.add(at);
    } else if (at !== undefined && !open.has(at)) refuse("more of an item that is not open");
    if (event["type"] === "response.output_item.done") {
      output[Number(at)] = event["item"] as Json;
      open.delete(at);
    }
  }
  const last = events.at(-1);
  const response = last?.["response"] as Json;
  if (open.size > 0 || !["response.completed", "response.incomplete"].includes(String(last?.["type"]))) refuse("no end");
  if (JSON.stringify(response["output"]) !== JSON.stringify(output)) refuse("the last event holds another output");
  return response;
}

/** Messages: both lines of each event, blocks one after another, the stop's reason and its mark. */
export function collectMessage(sse: string): Json {
  const events = eventsIn(sse).map(({ name, data }) => {
    const event: Json = JSON.parse(data);
    return event["type"] === name ? event : refuse(`event ${name} has another type`);
  });
  if (events[0]?.["type"] !== "message_start" || events.at(-1)?.["type"] !== "message_stop") refuse("no beginning or no end");
  const message = events[0]?.["message"] as Json;
  const content = message["content"] as Json[];
  let open: (Json & { json?: string }) | undefined;
  for (const event of events.slice(1, -1)) {
    const at = content.length - (open === undefined ? 0 : 1);
    if (event["index"] !== undefined && event["index"] !== at) refuse("an index out of order");
    switch (event["type"]) {
      case "content_block_start":
        if (open !== undefined) refuse("a block within a block");
        open = event["content_block"] as Json;
        content.push(open);
        break;
      case "content_block_delta":
        if (open === undefined) refuse("a delta outside a block");
        else growBlock(open, event["delta"] as Json);
        break;
      case "content_block_stop":
        if (open?.json !== undefined) open["input"] = JSON.parse(open.json === "" ? "{}" : open.json);
        delete open?.json;
        open = undefined;
        break;
      case "message_delta":
        Object.assign(message, event["delta"]);
        message["usage"] = { ...(message["usage"] as Json), ...(event["usage"] as Json) };
        break;
      default:
        refuse(`an event of type ${String(event["type"])}`);
    }
  }
  return message;
}

function growBlock(block: Json & { json?: string }, delta: Json): void {
  const kinds = { text_delta: "text", thinking_delta: "thinking", input_json_delta: "tool_use", citations_delta: "text" };
  const kind = Object.entries(kinds).find(([type]) => type === delta["type"])?.[1];
  if (kind !== undefined && block["type"] !== kind && block["type"] !== `server_${kind}`)
    refuse(`${String(delta["type"])} in another block`);
  if (delta["type"] === "text_delta") block["text"] = String(block["text"]) + String(delta["text"]);
  else if (delta["type"] === "thinking_delta") block["thinking"] = String(block["thinking"]) + String(delta["thinking"]);
  else if (delta["type"] === "signature_delta") block["signature"] = delta["signature"];
  else if (delta["type"] === "input_json_delta") block.json = (block.json ?? "") + String(delta["partial_json"]);
  else if (delta["type"] === "citations_delta")
    block["citations"] = [...((block["citations"] as unknown[] | undefined) ?? []), delta["citation"]];
  else refuse(`a delta of type ${String(delta["type"])}`);
}
