import { Code } from "@connectrpc/connect";

import { createRefusal } from "../errors.ts";

/** What a caller asks for (AIP-158). */
export interface PageRequest {
  /** 0: 100. */
  readonly pageSize: number;
  /** Empty: the first page. */
  readonly pageToken: string;
}

/** A part of a list. */
export interface Page<T> {
  readonly items: T[];
  /** Empty: that was all. */
  readonly nextPageToken: string;
}

const sizeDefault = 100;
const sizeMax = 1000;

/**
 * Tokens hold the list's name and the last item's key, so that a list that grows at its head neither repeats nor skips.
 * One whose item is gone, or that belongs to another list, is INVALID_ARGUMENT.
 */
export function pageOf<T>(
  list: { readonly name: string; readonly items: readonly T[]; readonly key: (item: T) => string },
  request: PageRequest,
): Page<T> {
  const tokenOf = (item: T): string => Buffer.from(JSON.stringify([list.name, list.key(item)])).toString("base64url");
  const after = request.pageToken === "" ? -1 : list.items.findIndex((item) => tokenOf(item) === request.pageToken);
  if (after < 0 && request.pageToken !== "") {
    const text = "page_token is not one that this list gave";
    throw createRefusal({
      code: Code.InvalidArgument,
      reason: "INVALID_REQUEST",
      text,
      problems: [{ field: "page_token", description: text }],
    });
  }
  const size = Math.min(request.pageSize === 0 ? sizeDefault : request.pageSize, sizeMax);
  const items = list.items.slice(after + 1, after + 1 + size);
  const last = items.at(-1);
  return { items, nextPageToken: last === undefined || after + 1 + size >= list.items.length ? "" : tokenOf(last) };
}
