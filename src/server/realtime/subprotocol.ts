import { ChatError } from "../../core/error.ts";

/** What we speak, for clients that want to hear a name which is not their key. */
const spoken = "semaroute.v1";
/** Browsers can send no header of their own with a WebSocket, but names of subprotocols. */
const keyPrefix = "semaroute.key.";

/** The names that a client offers, in its order. Throws INVALID_REQUEST for what is no such list (RFC 6455, 4.1). */
export function offeredProtocols(header: string | undefined): readonly string[] {
  if (header === undefined) return [];
  const names = header.split(",").map((name) => name.trim());
  if (names.some((name) => !/^[\w!#$%&'*+.^`|~-]+$/.test(name)) || new Set(names).size < names.length)
    throw new ChatError("INVALID_REQUEST", "header sec-websocket-protocol is not a list of different names", {
      field: "sec-websocket-protocol",
    });
  return names;
}

/** The key among them; undefined: there is none. */
export function keyFromProtocols(names: readonly string[]): string | undefined {
  const [key, ...more] = names.filter((name) => name.startsWith(keyPrefix));
  if (more.length > 0) throw new ChatError("INVALID_REQUEST", "header sec-websocket-protocol holds more than one key");
  return key?.slice(keyPrefix.length);
}

/**
 * Which of them is answered; false: none, because we speak none of them. A browser that offered any hangs up where none is chosen, so
 * the key's own name has to do where it is the only one of ours.
 */
export function chosenProtocol(names: Iterable<string>): string | false {
  let key: string | false = false;
  for (const name of names) {
    if (name === spoken) return name;
    if (key === false && name.startsWith(keyPrefix)) key = name;
  }
  return key;
}
