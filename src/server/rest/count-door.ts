import { parseCallerJson } from "../../core/json.ts";
import { readText } from "../body.ts";
import { callHeaders } from "../answer-headers.ts";
import { applyWishes, wishesFrom } from "../wishes.ts";
import { callerGone, closedEarly } from "../exchanges.ts";
import { sendJson } from "./answer.ts";
import type { ChatDoor } from "./chat-door.ts";
import { callerOf, oneHeader, type RestCall, type RestParts } from "./context.ts";

/** One question for the tokens of a request, in the language of a door for chats. No call: it is opened like one, and seen by no counter. */
export async function serveCount(parts: RestParts, rest: RestCall, { name: door, dialect }: ChatDoor): Promise<void> {
  const { desk, router } = parts;
  const { counting } = dialect;
  if (counting === undefined) throw new Error(`the language of door ${door} counts no tokens`);
  const settings = parts.settings();
  const { request, response } = rest;
  const header = (name: string): string | undefined => oneHeader(request, name);
  const wishes = wishesFrom(header);
  const key = await callerOf(settings, request);
  const refusal = router.refusal(key);
  if (refusal !== undefined) throw refusal;
  const text = await readText(request, { bytesMax: settings.bodyMax, clock: parts.clock, arrivals: parts.arrivals });
  const decoded = counting.decodeRequest(parseCallerJson(text), header);
  applyWishes(decoded, wishes);
  const opened = desk.open({ door, key, request: decoded, streamed: false, wishes, receivedMs: desk.now(), id: rest.id });
  response.on("close", () => {
    if (closedEarly(response)) opened.abort(callerGone(response));
  });
  try {
    const { inputTokens, estimated, provider } = await router.countTokens(opened.call);
    const who: [string, string][] = provider === "" ? [] : [["x-semaroute-provider", provider]];
    if (estimated) who.push(["x-semaroute-notes", "approximated:input_tokens"]);
    sendJson(response, 200, [...rest.headers, ...callHeaders(opened.call), ...who], counting.encodeResponse(inputTokens));
  } finally {
    opened.close();
  }
}
