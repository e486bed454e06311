import { chatErrorFrom } from "../../core/error.ts";
import type { ChatStream } from "../../core/handler.ts";
import { createFolder } from "../../core/fold.ts";
import type { DecodedRequest, DoorDialect } from "../../core/dialect.ts";
import type { Door } from "../../core/call.ts";
import { callHeaders, sourceHeaders, timingHeader } from "../answer-headers.ts";
import type { OpenCall } from "../call-desk.ts";
import { doorLimitHeaders } from "../limit-headers.ts";
import { oneHeader, type RestCall, type RestParts } from "./context.ts";
import { arrival, during } from "./opening.ts";
import { SseResponse } from "./sse.ts";
import { sendWhole, tellBug, type WholeReader } from "./whole.ts";

/** A door for chats over REST: its name in logs and metrics, and its language. */
export interface ChatDoor {
  readonly name: Door;
  readonly dialect: DoorDialect;
}

/** One POST, answered whole or as server-sent events: the same for every language. */
export async function serveChat(parts: RestParts, rest: RestCall, { name: door, dialect }: ChatDoor): Promise<void> {
  const arrived = await arrival(parts, rest);
  const decoded = dialect.decodeRequest(arrived.body, (name) => oneHeader(rest.request, name));
  const { request, streamed } = decoded;
  await during(parts, rest, { ...arrived, door, request, streamed }, (opened) =>
    streamed
      ? sendStream(parts, rest, opened, { decoded, heartbeat: dialect.heartbeat })
      : sendWhole(parts, rest, opened, wholeReader(decoded)),
  );
}

/** One answer of a chat's events. */
function wholeReader(decoded: DecodedRequest): WholeReader {
  const folder = createFolder();
  return {
    push(event) {
      folder.push(event);
      return event.case === "whole" || event.case === "completed";
    },
    answer() {
      const response = folder.response();
      return { usage: response.usage, body: () => decoded.whole(response) };
    },
  };
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
    const limits = doorLimitHeaders(rest.errors, router.allowances(call.key));
    sse.open([...sourceHeaders(stream.source), ...limits, timingHeader(call, stream.source, desk.now())]);
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
    error.allowances ??= router.allowances(call.key);
    sse.fail(error, [timingHeader(call, error, desk.now())]);
  } finally {
    await stream?.batches.return?.();
  }
}
