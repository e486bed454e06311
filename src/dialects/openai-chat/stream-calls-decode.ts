import type { ChatEvent, PartDelta, StreamEvent } from "../../core/chat.ts";
import { partDelta, partEnded, partStarted } from "../../core/chat.ts";
import type { AnswerContext } from "../../core/dialect.ts";
import { ChatError } from "../../core/error.ts";
import { unwrapped } from "../../core/freeform.ts";
import { callerTool } from "../../core/tool-names.ts";
import { callPart } from "./messages-decode.ts";
import { type CallEntry, inventedId, isWholeObject } from "./tool-call-decode.ts";

interface OpenCall {
  /** The id the upstream gave; undefined where it gave none. */
  readonly upstreamId: string | undefined;
  readonly upstreamIndex: number | undefined;
  readonly first: CallEntry;
  name: string;
  /** What was collected of the arguments. */
  argumentsJson: string;
  /** Undefined until it is announced, which waits for the first argument, since a name may come in pieces. */
  partIndex: number | undefined;
  /** Its arguments are held back until they are whole, because they must be taken out of their wrapping. */
  wrapped: boolean;
  ended: boolean;
}

/** What the calls of one choice are read with. */
export interface CallReading {
  readonly choiceIndex: number;
  /** Names the answer where ids must be invented. */
  readonly source: string;
  readonly context: AnswerContext;
  /** Takes the next part's index. */
  readonly nextPart: () => number;
}

/**
 * Reads the tool calls of one choice from hosts that number them from 1, all with 0, or not at all, that repeat ids and
 * names, or leave them out.
 */
export class CallReader {
  readonly #reading: CallReading;
  readonly #list: OpenCall[] = [];

  constructor(reading: CallReading) {
    this.#reading = reading;
  }

  /** Whether a tool was called. */
  get any(): boolean {
    return this.#list.length > 0;
  }

  /** Whether there are calls, and the arguments of each are a whole JSON object. */
  get areWhole(): boolean {
    return this.any && this.#list.every((call) => call.argumentsJson === "" || isWholeObject(call.argumentsJson));
  }

  /** Appends what one entry of `delta.tool_calls` means. */
  read(entry: CallEntry, out: ChatEvent[]): void {
    const call = this.#continued(entry) ?? this.#add(entry, out);
    if (call.ended) {
      // Nothing left to say, as when a host repeats the id; arguments would come too late to be put in their place.
      if (entry.argumentsJson.trim() === "") return;
      throw new ChatError("UPSTREAM_PROTOCOL", "the upstream went on with a tool call that had ended");
    }
    if (call.first !== entry) this.#more(call, entry, out);
    if (entry.argumentsJson === "") return;
    this.#announce(call, out);
    call.argumentsJson += entry.argumentsJson;
    const delta = call.wrapped ? ({ case: undefined } as const) : ({ case: "argumentsJson", value: entry.argumentsJson } as const);
    const event = this.#delta(call, delta);
    if (call.wrapped && (call.first === entry || Object.keys(entry.extensions).length === 0)) return;
    if (event.case === "partDelta" && call.first !== entry) event.value.extensionsJson = entry.extensions;
    out.push(event);
  }

  /** Ends all calls: something else begins, or the choice is over. */
  finish(out: ChatEvent[]): void {
    for (const call of this.#list) if (!call.ended) this.#end(call, out);
  }

  #end(call: OpenCall, out: ChatEvent[]): void {
    this.#announce(call, out);
    call.ended = true;
    const input = call.wrapped ? unwrapped(call.argumentsJson) : "";
    if (input !== "") out.push(this.#delta(call, { case: "argumentsJson", value: input }));
    out.push(partEnded(this.#reading.choiceIndex, call.partIndex ?? 0));
  }

  /** The call that an entry goes on with; undefined: it begins a new one. */
  #continued(entry: CallEntry): OpenCall | undefined {
    if (entry.index === undefined) {
      if (entry.id !== undefined) return this.#list.findLast((call) => call.upstreamId === entry.id);
      // Without id, index and name it can only go on with the last one.
      return entry.name === "" ? this.#list.at(-1) : undefined;
    }
    const call = this.#list.findLast((each) => each.upstreamIndex === entry.index);
    if (call === undefined) return undefined;
    if (entry.id !== undefined && call.upstreamId !== undefined) return entry.id === call.upstreamId ? call : undefined;
    const another = entry.id === undefined && entry.argumentsJson.startsWith("{") && isWholeObject(call.argumentsJson);
    return another ? undefined : call;
  }

  #add(entry: CallEntry, out: ChatEvent[]): OpenCall {
    // A second call of the same tool may leave out the name.
    const name = entry.name === "" ? (this.#list.at(-1)?.name ?? "") : entry.name;
    for (const other of this.#list) {
      if (other.ended) continue;
      // Nothing can follow a whole object, so that doors which write one call at a time need not wait for the last one's end.
      if (!other.first.custom && isWholeObject(other.argumentsJson)) this.#end(other, out);
      else this.#announce(other, out);
    }
    const call: OpenCall = {
      upstreamId: entry.id,
      upstreamIndex: entry.index,
      first: entry,
      name,
      argumentsJson: "",
      partIndex: undefined,
      wrapped: false,
      ended: false,
    };
    this.#list.push(call);
    return call;
  }

  /** What a later entry says besides arguments. */
  #more(call: OpenCall, entry: CallEntry, out: ChatEvent[]): void {
    if (call.partIndex === undefined) {
      // Hosts repeat the whole name in each delta; only without an id, and different, it is a piece of it.
      if (entry.id === undefined && entry.name !== "" && entry.name !== call.name) call.name += entry.name;
    }
    if (entry.opaque.length === 0 && (entry.argumentsJson !== "" || Object.keys(entry.extensions).length === 0)) return;
    this.#announce(call, out);
    for (const token of entry.opaque) out.push(this.#delta(call, { case: "opaque", value: token }));
    if (entry.argumentsJson !== "" || Object.keys(entry.extensions).length === 0) return;
    const event = this.#delta(call, { case: undefined });
    if (event.case === "partDelta") event.value.extensionsJson = entry.extensions;
    out.push(event);
  }

  #announce(call: OpenCall, out: ChatEvent[]): void {
    if (call.partIndex !== undefined) return;
    if (call.name === "") throw new ChatError("UPSTREAM_PROTOCOL", "the upstream called a tool without a name");
    const { choiceIndex, source, context, nextPart } = this.#reading;
    call.partIndex = nextPart();
    const id = call.upstreamId ?? inventedId(source, choiceIndex, this.#list.indexOf(call));
    const { name, custom } = callerTool(call.name, context);
    call.wrapped = custom && !call.first.custom;
    const part = callPart({ id, name, argumentsJson: "", custom: custom || call.first.custom }, call.first.opaque);
    part.extensionsJson = call.first.extensions;
    out.push(partStarted(choiceIndex, call.partIndex, part));
  }

  #delta(call: OpenCall, delta: PartDelta["delta"]): StreamEvent {
    return partDelta(this.#reading.choiceIndex, call.partIndex ?? 0, delta);
  }
}
