import type { LogFields } from "./log.ts";

/** Longest chain of causes that is shown. */
const depthMax = 4;
/** Stack frames of each. */
const framesMax = 12;

/**
 * What may be said of an error nobody foresaw: the names, codes and stack frames of its chain. Not its messages: they may
 * quote what was being worked on, which may be a prompt.
 */
export function describeCause(cause: unknown): LogFields[] | undefined {
  const chain: LogFields[] = [];
  for (let error = cause; error instanceof Error && chain.length < depthMax; error = error.cause) {
    chain.push({ name: safeWord(error.name) ?? "Error", code: causeCode(error), stack: frames(error) });
  }
  return chain.length === 0 ? undefined : chain;
}

/** The first system or library code in a chain, such as `ECONNREFUSED`. */
export function causeCode(error: unknown): string | undefined {
  for (let depth = 0; error instanceof Error && depth < depthMax; depth++) {
    const code = "code" in error ? safeWord(error.code) : undefined;
    if (code !== undefined) return code;
    error = error.cause;
  }
  return undefined;
}

function safeWord(text: unknown): string | undefined {
  return typeof text === "string" && /^[A-Za-z][A-Za-z0-9_]{1,63}$/.test(text) ? text : undefined;
}

/** A stack's head is `Name: message`, and the message may have lines of its own that look like frames. */
function frames({ stack, message }: Error): string[] | undefined {
  const at = stack?.indexOf(message) ?? -1;
  if (stack === undefined || at < 0) return undefined;
  const lines = stack.slice(at + message.length).split("\n");
  return lines
    .filter((line) => /^ {4}at .*(:\d+:\d+\)?|<anonymous>\)?|\(native\))$/.test(line))
    .slice(0, framesMax)
    .map((line) => line.trim());
}
