import type { ContentPart, Opaque, PartDelta } from "../../core/chat.ts";
import type { JsonObject } from "../../core/json-fields.ts";
import type { EventSink } from "./event-sink.ts";
import type { ItemStatus } from "./output-items.ts";

/** Where an item of an answer stands, and where its events go. */
export interface ItemPlace {
  readonly sink: EventSink;
  /** The answer's, of which items' own names are made. */
  readonly answerId: string;
  readonly outputIndex: number;
}

/** Writes one item of an answer: its events while it grows, and at last the item itself. */
export interface ItemWriter {
  /** Tokens of its parts that it has no place for. */
  readonly strays: readonly Opaque[];
  /** Whether the part, which comes next, is a piece of this item. */
  takes(part: ContentPart): boolean;
  /** A piece begins, with what is known of it. */
  begin(part: ContentPart): void;
  /** More of the piece that began last. */
  more(event: PartDelta): void;
  /** The piece that began last is whole. */
  end(): void;
  /** The item is over: tells so, and gives what became of it. */
  close(status: ItemStatus): JsonObject;
}
