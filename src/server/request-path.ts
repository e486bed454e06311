import type { ServerRequest } from "./listen.ts";

/** The path of a request, without its query. */
export function pathOf({ url: target = "/" }: Pick<ServerRequest, "url">): string {
  // RFC 9112, 3.2.2: a server must take the absolute form too.
  const url = target.startsWith("/") ? target : target.replace(/^https?:\/\/[^/?]*/i, "");
  const query = url.indexOf("?");
  return query < 0 ? url : url.slice(0, query);
}

/** Where WebSocket is spoken. */
export const realtimePath = "/v1/realtime/chat";
