import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { invalidArgument } from "./admin-changes.ts";

/** Where a page of a store's list ended, newest first: a list that grows at its head neither repeats nor skips. */
export interface Place {
  /** Milliseconds since the epoch. */
  readonly wall: number;
  readonly id: string;
}

const sizeDefault = 100;
const sizeMax = 1000;

/** How many items a page has; 0: 100. */
export function pageSizeFrom(pageSize: number): number {
  return Math.min(pageSize === 0 ? sizeDefault : pageSize, sizeMax);
}

/** The page, of one item more than it shows if there is another one behind it. */
export function pageFrom<T>(
  list: { readonly name: string; readonly found: readonly T[]; readonly place: (item: T) => Place },
  size: number,
): { readonly shown: readonly T[]; readonly nextPageToken: string } {
  const shown = list.found.slice(0, size);
  const last = shown.at(-1);
  return { shown, nextPageToken: list.found.length > size && last !== undefined ? tokenFrom(list.name, list.place(last)) : "" };
}

function tokenFrom(list: string, { wall, id }: Place): string {
  return Buffer.from(JSON.stringify([list, wall, id])).toString("base64url");
}

/** The place in a list of that name; INVALID_ARGUMENT where the token is not one of its own. */
export function placeFrom(list: string, token: string): Place {
  try {
    const place: unknown = JSON.parse(Buffer.from(token, "base64url").toString());
    if (Array.isArray(place) && place[0] === list && typeof place[1] === "number" && typeof place[2] === "string")
      return { wall: place[1], id: place[2] };
  } catch {
    // Falls through.
  }
  const text = "page_token is not one that this list gave";
  throw invalidArgument(text, [{ field: "page_token", description: text }]);
}

/** Milliseconds since the epoch, rounded up: a bound is never before the moment it names. */
export function wallFrom({ seconds, nanos }: Timestamp): number {
  return Math.ceil(Number(seconds) * 1000 + nanos / 1e6);
}
