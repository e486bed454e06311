import type { ServerRequest } from "./listen.ts";
import { Refusal } from "./rest/refusal.ts";

/** Headers of a request. */
export const headersMax = 100;

/**
 * Refuses what Node lets pass, and what another server in front of us may read in another way than we do: too many
 * headers, of which Node would drop the last; two credentials or hosts; and one that is no host, or not the one of the request's target.
 */
export function refuseMalformed(request: ServerRequest): void {
  const { rawHeaders, headers } = request;
  if (request.httpVersionMajor === 0) throw new Refusal(400, "invalid_request", "the version of HTTP is not supported");
  if (rawHeaders.length > 2 * headersMax) throw new Refusal(431, "headers_too_large", `there are more than ${headersMax} headers`);
  if (howMany(rawHeaders, "authorization") > 1) throw new Refusal(400, "invalid_request", "the request has more than one authorization");
  const target = "authority" in request ? request.headers[":authority"] : authorityOf(request.url ?? "");
  const { host } = headers;
  if (host === undefined && target === undefined) return;
  if (howMany(rawHeaders, "host") > 1 || (host !== undefined && target !== undefined && host.toLowerCase() !== target.toLowerCase()))
    throw new Refusal(400, "invalid_request", "the request names more than one host");
  if (!hostForm.test(host ?? target ?? "")) throw new Refusal(400, "invalid_request", "the host is malformed");
}

/** A name or an address, and a port; empty, as HTTP allows it to be. */
const hostForm = /^(?:[\w.~%!$&'()*+,;=-]*|\[[\da-f:.]+\])(?::\d{0,5})?$/i;

/** Of a target in absolute form (RFC 9112, 3.2.2). */
function authorityOf(target: string): string | undefined {
  return target.startsWith("/") ? undefined : /^https?:\/\/([^/?#]*)/i.exec(target)?.[1];
}

function howMany(rawHeaders: readonly string[], wanted: string): number {
  let count = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i];
    if (name?.length === wanted.length && name.toLowerCase() === wanted) count++;
  }
  return count;
}
