import type { Call } from "../core/call.ts";
import { isEmbedRequest } from "../core/chat.ts";
import type { Clock } from "../core/clock.ts";
import type { CallFacts } from "../core/policy.ts";
import type { Needs } from "./needs.ts";

const hourMs = 3_600_000;

/** What a policy may know of a call, but for who holds its conversation. */
export function factsOf({ request, streamed, key, seed }: Call, { inputTokens, capabilities }: Needs, clock: Clock): CallFacts {
  return {
    model: request.model,
    inputTokens,
    streamed,
    hasTools: !isEmbedRequest(request) && request.tools.length > 0,
    hasImages: capabilities.some(([name]) => name === "imageInput"),
    hour: Math.floor(clock.wall() / hourMs) % 24,
    // Of the key only what a policy may know: facts are kept with decisions.
    key: { id: key.id, name: key.name, ...(key.labels !== undefined && { labels: key.labels }) },
    tags: request.routing?.tags ?? noTags,
    affinityKey: request.routing?.affinityKey ?? "",
    endUserId: request.endUserId,
    nowMs: clock.now(),
    seed,
  };
}

const noTags: CallFacts["tags"] = {};
