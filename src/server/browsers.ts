import { cors } from "@connectrpc/connect";

import { ChatError } from "../core/error.ts";
import { isLoopbackAddress, isLoopbackHost } from "./auth.ts";

/** What a browser says about a request, and where it arrived. */
export interface BrowserRequest {
  readonly origin: string | undefined;
  /** `sec-fetch-site`. */
  readonly fetchSite: string | undefined;
  /** `host`, or HTTP/2's `:authority`. */
  readonly host: string | undefined;
  /** Our end of the socket. */
  readonly localAddress: string | undefined;
  /** Without the query. */
  readonly path: string;
}

/** What pages of other origins may do here. */
export interface BrowserRule {
  /** Throws CALLER_FORBIDDEN for a request that a foreign page made; of every door, before anything else. */
  admit(request: BrowserRequest): void;
  /** Headers that let the page read the answer; none for our own origin, foreign ones and the admin doors. */
  headers(request: BrowserRequest): [name: string, value: string][];
  /** Headers of the answer (204) to a preflight that was admitted. `requested` is `access-control-request-headers`. */
  preflight(request: BrowserRequest, requested: string | undefined): [name: string, value: string][];
}

/** `allowed` holds exact origins, or "*"; from `server.cors.allowed_origins`. */
export function createBrowserRule(allowed: readonly string[]): BrowserRule {
  const origins = new Set(allowed);
  const any = origins.has("*");
  const isAllowed = ({ origin, path }: BrowserRequest): boolean =>
    origin !== undefined && !isAdminPath(path) && (any || origins.has(origin));
  const headers = (request: BrowserRequest): [string, string][] => {
    // Caches between must not give one origin's answer to another.
    const vary: [string, string][] = origins.size === 0 || any ? [] : [["vary", "Origin"]];
    if (request.origin === undefined || !isAllowed(request)) return vary;
    return [...vary, ["access-control-allow-origin", any ? "*" : request.origin], ["access-control-expose-headers", exposed]];
  };
  return {
    admit(request) {
      if (isAllowed(request)) return;
      if (request.origin !== undefined && !isOwnOrigin(request))
        throw new ChatError("CALLER_FORBIDDEN", "requests from pages of this origin are not allowed here");
      if (request.fetchSite?.toLowerCase() === "cross-site")
        throw new ChatError("CALLER_FORBIDDEN", "requests from pages of other sites are not allowed here");
    },
    headers,
    preflight(request, requested) {
      if (!isAllowed(request)) return headers(request);
      return [
        ...headers(request),
        ["access-control-allow-methods", [...cors.allowedMethods, "HEAD"].join(", ")],
        ["access-control-allow-headers", allowedHeaders(requested)],
        ["access-control-max-age", "7200"],
      ];
    },
  };
}

/** The control plane, whatever protocol it is asked by. */
export function isAdminPath(path: string): boolean {
  return path === "/admin" || path.startsWith("/admin/") || path.startsWith("/semaroute.v1.AdminService/");
}

/**
 * An origin is ours if it is the name we were asked by. On a loopback socket that name must be a loopback name: else any
 * page could have its own name resolve to 127.0.0.1, and call itself ours.
 */
function isOwnOrigin({ origin, host, localAddress }: BrowserRequest): boolean {
  if (origin === undefined || host === undefined) return false;
  if (isLoopbackAddress(localAddress) && !isLoopbackHost(host)) return false;
  const name = host.toLowerCase();
  // Both schemes, because whoever ends TLS in front of us changes only that.
  return origin === `http://${name}` || origin === `https://${name}`;
}

const exposed = [
  ...cors.exposedHeaders,
  "x-request-id",
  "request-id",
  "x-semaroute-provider",
  "x-semaroute-model",
  "x-semaroute-attempts",
  "x-semaroute-cache",
  "x-semaroute-policy",
  "x-semaroute-decision",
  "x-semaroute-cost-usd",
  "x-semaroute-notes",
  "x-semaroute-similarity",
  ...["requests", "tokens"].flatMap((what) => ["limit", "remaining", "reset"].map((fact) => `x-ratelimit-${fact}-${what}`)),
  "retry-after",
  "retry-after-ms",
  "x-should-retry",
  "server-timing",
].join(", ");

/** For a preflight that asks for none; `*` would not cover `authorization`. */
const usualHeaders = [
  ...cors.allowedHeaders,
  "authorization",
  "x-api-key",
  "x-request-id",
  "cache-control",
  "traceparent",
  "x-semaroute-cache",
  "x-semaroute-timeout-ms",
  "x-semaroute-tags",
  "x-semaroute-affinity",
  "openai-organization",
  "openai-project",
  "anthropic-version",
  "anthropic-beta",
  "anthropic-dangerous-direct-browser-access",
].join(", ");

/** What an allowed page asks for is granted: SDKs send `x-stainless-*` and more, and the page is trusted already. */
function allowedHeaders(requested: string | undefined): string {
  if (requested === undefined || requested.length > 4096) return usualHeaders;
  const names = requested.split(",").map((name) => name.trim());
  return names.length > 0 && names.every((name) => /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(name)) ? names.join(", ") : usualHeaders;
}
