import type { Key, Snapshot } from "./call.ts";
import { chanceOfText, purposeOf } from "./chance.ts";
import type { CallRequest } from "./chat.ts";

/** Whose call it is, as far as sides go. */
export interface SideCaller {
  readonly key: Key;
  readonly request: Readonly<CallRequest>;
  /** The call's id. */
  readonly id: string;
}

/**
 * What a call begins with: the snapshot, or its canary's where the caller is on that side. The same caller is always on the
 * same side of the same canary, and stays on it when its share grows.
 */
export function sideOf(snapshot: Snapshot, caller: SideCaller): Snapshot {
  const { canary } = snapshot;
  if (canary === undefined) return snapshot;
  // The revision is part of it, so that it is not always the same callers who try what is new.
  const purpose = purposeOf(`canary: ${canary.snapshot.policy.revision}`);
  return chanceOfText(unitOf(caller), purpose) < canary.share ? canary.snapshot : snapshot;
}

/** Conversations of a key by their affinity, else its end users, else the key. Who shows nothing of these is nobody twice. */
function unitOf({ key, request, id }: SideCaller): string {
  const affinity = request.routing?.affinityKey ?? "";
  if (affinity !== "") return `${key.id}\na\n${affinity}`;
  const { endUserId } = request;
  if (endUserId !== "") return `${key.id}\nu\n${endUserId}`;
  return key.id === "anonymous" ? `${key.id}\nc\n${id}` : key.id;
}
