import { type ContextKey, createContextKey } from "@connectrpc/connect";
import type { Key } from "../../core/call.ts";
import { CacheMode } from "../../core/chat.ts";
import type { BrowserRequest } from "../browsers.ts";
import { ChatError } from "../../core/error.ts";
import type { Wishes } from "../wishes.ts";

/** What the socket knows of an RPC and its headers do not. */
export interface PeerFacts extends BrowserRequest {
  readonly remoteAddress: string | undefined;
}

const noWishes: Wishes = {
  requestId: undefined,
  timeoutMs: undefined,
  tags: undefined,
  affinity: undefined,
  cache: CacheMode.UNSPECIFIED,
  traceparent: undefined,
};
const nobody: PeerFacts = {
  origin: undefined,
  fetchSite: undefined,
  host: undefined,
  localAddress: undefined,
  path: "",
  remoteAddress: undefined,
};

/** Set by the adapter. */
export const peerKey: ContextKey<PeerFacts> = createContextKey(nobody, { description: "peer" });
/** Our id of the request, and of the call it becomes; set by the adapter. */
export const callIdKey: ContextKey<string> = createContextKey("", { description: "call id" });
/** Monotonic milliseconds when the head had arrived; set by the adapter. */
export const receivedKey: ContextKey<number> = createContextKey(0, { description: "received" });
/** Whether the request became a call, or a watch; set by the service. From then on its end is no refusal of the door's. */
export const openedKey: ContextKey<boolean> = createContextKey(false, { description: "opened" });
/** Who calls; set by the gate, for RouterService. */
export const callerKey: ContextKey<Key | undefined> = createContextKey<Key | undefined>(undefined, { description: "caller" });
/** What the metadata wishes for; set by the gate. */
export const wishesKey: ContextKey<Wishes> = createContextKey(noWishes, { description: "wishes" });
/** Why a call ends whose caller is gone, once he is; set by the adapter. */
export const goneKey: ContextKey<() => ChatError> = createContextKey(() => new ChatError("CANCELLED", "the caller left"), {
  description: "gone",
});
