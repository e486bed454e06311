import type { Call } from "./call.ts";
import { Priority } from "./chat.ts";
import type { ChatError } from "./error.ts";

/**
 * What a process can run out of: its event loop's time, V8's heap, the memory it may have, connections of callers. Calls are
 * refused for all but the last: a refused call frees no connection.
 */
export const resources = ["event_loop", "heap", "memory", "connections"] as const;

/** One of them; a metric label. */
export type Resource = (typeof resources)[number];

/** How full each is: 0 empty, 1 full. */
export type Pressures = Readonly<Record<Resource, number>>;

/** Keeps calls out while the process has not enough of something. Health, admin and everything but calls never ask. */
export interface LoadGate {
  /** May one more call be served, while so many run? SHED with a wait, or undefined. To be asked once a call. */
  refusal(priority: Priority, running: number): ChatError | undefined;
  /** The same before a body is read, where only a no that is certain is told. */
  earlyRefusal(priority: Priority, running: number): ChatError | undefined;
  /** Whether memory is to be kept for the calls themselves, and answers are not to be remembered. */
  isSparing(): boolean;
}

/** What a call counts as when load is shed: its key's priority, or a lower one that it asked for. */
export function priorityOf({ key, request }: Pick<Call, "key" | "request">): Priority {
  const own = key.priority === Priority.UNSPECIFIED ? Priority.NORMAL : key.priority;
  const wished = request.routing?.priority ?? Priority.UNSPECIFIED;
  return wished === Priority.UNSPECIFIED || wished > own ? own : wished;
}
