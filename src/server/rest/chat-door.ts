import { type ChatError, chatErrorFrom } from "../../core/error.ts";
import type { ChatStream } from "../../core/handler.ts";
import { parseCallerJson } from "../../core/json.ts";
import { createFolder } from "../../core/fold.ts";
import type { DecodedRequest, DoorDialect } from "../../core/dialect.ts";
import type { Door } from "../../core/call.ts";
import { callHeaders, costHeaders, type HeaderList, sourceHeaders, timingHeader } from "../answer-headers.ts";
import { readText } from "../body.ts";
import type { OpenCall } from "../call-desk.ts";
import { applyWishes, wishesFrom } from "../wishes.ts";
import { callerGone, closedEarly } from "../exchanges.ts";
import { sendError, sendJson } from "./answer.ts";
import { callerOf, oneHeader, type RestCall, type RestParts } from "./context.ts";
import { SseResponse } from "./sse.ts";

/** A door for chats over REST: its name in logs and metrics, and its language. */
export interface ChatDoor {
  readonly name: Door;
  readonly dialect: DoorDialect;
}

/** One POST, answered whole or as server-sent events: the same for every language. */
export async function serveChat(parts: RestParts, rest: RestCall, { name: door, dialect }: ChatDoor): Promise<void> {
  const { desk } = parts;
  const settings = parts.settings();
  const { request, response } = rest;
  const wishes = wishesFrom((name) => oneHeader(request, name));
  const key = callerOf(settings, request);
  // Before sixteen megabytes are read for nothing.
  const refusal = parts.router.refusal(key);
  if (refusal !== undefined) throw refusal;
  const text = await readText(request, { bytesMax: settings.bodyMax, clock: parts.clock, arrivals: parts.arrivals });
  const receivedMs = desk.now();
  const decoded = dialect.decodeRequest(parseCallerJson(text), (name) => oneHeader(request, name));
  applyWishes(decoded.request, wishes);
  const opened = desk.open({ door, key, request: decoded.request, streamed: decoded.streamed, wishes, receivedMs, id: rest.id });
  // "close" also comes after a good end; only before it does it mean that the caller left.
  response.on("close", () => {
    if (closedEarly(response)) opened.abort(callerGone(response));
  });
  try {
    if (decoded.streamed) await sendStream(parts, rest, opened, { decoded, heartbeat: dialect.heartbeat });
    else await sendWhole(parts, rest, opened, decoded);
  } finally {
    opened.close();
  }
}

async function sendWhole({ router, desk, onBug }: RestParts, rest: RestCall, opened: OpenCall, decoded: DecodedRequest): Promise<void> {
  const { call } = opened;
  let headers: HeaderList = [...callHeaders(call)];
  let stream: ChatStream | undefined;
  try {
    stream = await router.chat(call);
    const folder = createFolder();
    const { batches } = stream;
    // Driven by hand: the room that counts looks only when it is asked for more, and by then the answer has left.
    for (let result = await batches.next(); result.done !== true;) {
      for (const event of result.value) folder.push(event);
      const ended = result.value.some((event) => event.case === "whole" || event.case === "completed");
      if (ended) {
        const answer = folder.response();
        headers = [
          ...headers,
          ...sourceHeaders(stream.source),
          ...costHeaders(answer.usage),
          timingHeader(call, stream.source, desk.now()),
        ];
        sendJson(rest.response, 200, [...rest.headers, ...headers], decoded.whole(answer));
      }
      result = await batches.next();
    }
  } catch (thrown) {
    const error = chatErrorFrom(thrown);
    if (error.failure === "INTERNAL") tellBug(error, opened, onBug);
    sendError(rest, error, [...headers, timingHeader(call, error, desk.now())]);
  } finally {
    // Whatever went wrong at this door, the rooms behind it must hear that it is over; after a good end it says nothing new.
    await stream?.batches.return?.();
  }
}

interface Streaming {
  readonly decoded: DecodedRequest;
  readonly heartbeat: string;
}

async function sendStream(parts: RestParts, rest: RestCall, opened: OpenCall, { decoded, heartbeat }: Streaming): Promise<void> {
  const { call } = opened;
  const { router, desk, clock, onBug } = parts;
  const encoder = decoded.stream();
  const sse = new SseResponse({ rest, clock, heartbeat, heartbeatMs: parts.settings().heartbeatMs, headers: callHeaders(call), encoder });
  let stream: ChatStream | undefined;
  try {
    stream = await router.chat(call);
    sse.open([...sourceHeaders(stream.source), timingHeader(call, stream.source, desk.now())]);
    const { batches } = stream;
    // By hand here too: `for await` would leave the rooms before they could be told why.
    for (let result = await batches.next(); result.done !== true; result = await batches.next()) {
      let text = "";
      for (const event of result.value) if (event.case !== "whole" && event.case !== "embedded") text += encoder.push(event);
      const wait = text === "" ? undefined : sse.write(text);
      if (wait !== undefined) await wait;
    }
    sse.end();
  } catch (thrown) {
    const error = chatErrorFrom(thrown);
    if (error.failure === "INTERNAL") tellBug(error, opened, onBug);
    sse.fail(error, [timingHeader(call, error, desk.now())]);
  } finally {
    await stream?.batches.return?.();
  }
}

/** A bug of this door ends the call by its own name, so that the log says what the caller saw. */
function tellBug(error: ChatError, opened: OpenCall, onBug: (error: unknown) => void): void {
  onBug(error.cause ?? error);
  opened.abort(error);
}
