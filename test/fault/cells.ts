/** What is counted: a fault by one door in one layout. Each cell is one test; its name and meta say which. */
import { type DoorClient, doorClients } from "../e2e/doors.ts";
import { messagesDoors } from "../e2e/messages-door.ts";

/** Who is there besides the faulty upstream: nobody, or one that is well. */
export type Layout = "lone" | "pair";

/** One test of the table. */
export interface Cell {
  /** The fault's id, such as `U17`. */
  readonly id: string;
  readonly fault: string;
  /** A door's name. */
  readonly protocol: string;
  /** `-`: the fault has nothing to do with upstreams. */
  readonly layout: Layout | "-";
}

declare module "vitest" {
  interface TaskMeta {
    /** Set by the tests of the fault table. */
    cell?: Cell;
  }
}

/** The letters of the table, as doors. T is the part of B that streams. */
const letters: Readonly<Record<string, (door: DoorClient) => boolean>> = {
  R: ({ name }) => name === "REST" || name === "Messages",
  S: ({ name }) => name === "SSE" || name === "Messages SSE",
  U: ({ door, streamed }) => !streamed && (door === "grpc" || door === "connect"),
  G: ({ door, streamed }) => streamed && (door === "grpc" || door === "connect"),
  T: ({ door, streamed }) => streamed && door === "grpc-web",
  B: ({ door }) => door === "grpc-web",
  W: ({ door }) => door === "websocket",
};

/** Every protocol. */
export const allProtocols = "RSUGBW";

/** The doors that letters such as `RSU` stand for. */
export function doorsOf(protocols: string): readonly DoorClient[] {
  return [...doorClients, ...messagesDoors].filter((door) =>
    Object.entries(letters).some(([letter, isOne]) => protocols.includes(letter) && isOne(door)),
  );
}

/** A test's name. */
export function titleOf({ id, fault, protocol, layout }: Cell): string {
  return `${id} ${fault} · ${protocol}${layout === "-" ? "" : ` · ${layout}`}`;
}
