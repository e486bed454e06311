import { CacheMode, type CallRequest, type RoutingOptions } from "../core/chat.ts";
import { ChatError } from "../core/error.ts";

/** What a caller says beside its request: by headers, or by gRPC metadata of the same names. */
export interface Wishes {
  /** The caller's own id of the call, if sane. */
  readonly requestId: string | undefined;
  readonly timeoutMs: number | undefined;
  readonly tags: ReadonlyMap<string, string> | undefined;
  readonly affinity: string | undefined;
  readonly cache: CacheMode;
  readonly traceparent: string | undefined;
}

/** A header's value; undefined: not sent. Names are lower case. */
export type HeaderReader = (name: string) => string | undefined;

const requestIdPattern = /^[A-Za-z0-9._:-]{1,128}$/;
/**
 * W3C Trace Context, 3.2: version, trace id, parent id, flags. All-zero ids are invalid, and so is version ff; only versions
 * behind 00, whose 55 characters are all of it, may say more.
 */
const traceparentPattern = /^(?!ff|00.{54})[\da-f]{2}-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}(?:-.*)?$/;
const tagsMax = 16;
const tagNameMax = 64;
const tagValueMax = 256;
const affinityMax = 256;

/** Reads all of them; a malformed one is INVALID_REQUEST and names itself. */
export function wishesFrom(header: HeaderReader): Wishes {
  const traceparent = header("traceparent");
  const tags = header("x-semaroute-tags");
  const affinity = header("x-semaroute-affinity");
  if (traceparent !== undefined && !traceparentPattern.test(traceparent)) throw malformed("traceparent", "is not a W3C trace parent");
  if (affinity !== undefined && (affinity === "" || affinity.length > affinityMax))
    throw malformed("x-semaroute-affinity", `must have 1 to ${affinityMax} characters`);
  return {
    requestId: saneRequestId(header),
    timeoutMs: timeoutFrom(header("x-semaroute-timeout-ms")),
    tags: tags === undefined ? undefined : tagsFrom(tags),
    affinity,
    cache: cacheFrom(header("cache-control"), header("x-semaroute-cache")),
    traceparent,
  };
}

/** The caller's own id of a request; undefined: it sent none, or one that must not be echoed. */
export function saneRequestId(header: HeaderReader): string | undefined {
  const given = header("x-request-id");
  return given !== undefined && requestIdPattern.test(given) ? given : undefined;
}

/** Puts into the request what was wished beside it; a header wins over the request's own field. */
export function applyWishes(request: CallRequest, { tags, affinity, cache }: Wishes): void {
  if (tags === undefined && affinity === undefined && cache === CacheMode.UNSPECIFIED) return;
  const routing = (request.routing ??= noRouting());
  if (affinity !== undefined) routing.affinityKey = affinity;
  if (cache !== CacheMode.UNSPECIFIED) routing.cache = cache;
  for (const [name, value] of tags ?? []) routing.tags[name] = value;
}

/** Routing options that wish for nothing. */
function noRouting(): RoutingOptions {
  return {
    $typeName: "semaroute.v1.RoutingOptions",
    allowProviders: [],
    denyProviders: [],
    fallbackModels: [],
    affinityKey: "",
    unsupportedFields: 0,
    tags: {},
    cache: CacheMode.UNSPECIFIED,
    priority: 0,
  };
}

function timeoutFrom(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,12}$/.test(text) || Number(text) === 0)
    throw malformed("x-semaroute-timeout-ms", "must be a whole number of milliseconds above 0");
  return Number(text);
}

function tagsFrom(text: string): ReadonlyMap<string, string> {
  const tags = new Map<string, string>();
  for (const pair of text.split(",")) {
    const at = pair.indexOf("=");
    const name = pair.slice(0, Math.max(0, at)).trim();
    const value = pair.slice(at + 1).trim();
    if (at < 1 || name === "" || name.length > tagNameMax || value.length > tagValueMax)
      throw malformed("x-semaroute-tags", "must be name=value pairs with commas between them");
    // The one name that a record of tags cannot hold.
    if (name === "__proto__") throw malformed("x-semaroute-tags", "may not name a tag __proto__");
    if (tags.has(name)) throw malformed("x-semaroute-tags", "names a tag twice");
    tags.set(name, value);
  }
  if (tags.size > tagsMax) throw malformed("x-semaroute-tags", `has more than ${tagsMax} tags`);
  return tags;
}

/** RFC 9111, 5.2.1: other directives of a request are legal and mean nothing here. */
function cacheFrom(control: string | undefined, own: string | undefined): CacheMode {
  if (own !== undefined && own !== "use") throw malformed("x-semaroute-cache", 'must be "use"');
  const directives = new Set(
    control
      ?.toLowerCase()
      .split(",")
      .map((directive) => directive.trim()),
  );
  if (directives.has("no-store")) return CacheMode.BYPASS;
  if (directives.has("no-cache")) return CacheMode.REFRESH;
  return own === undefined ? CacheMode.UNSPECIFIED : CacheMode.USE;
}

function malformed(name: string, what: string): ChatError {
  return new ChatError("INVALID_REQUEST", `header ${name} ${what}`, { field: name });
}
