import type { Usage } from "../../core/chat.ts";
import { type ChatError, chatErrorFrom } from "../../core/error.ts";
import type { StreamEncoder } from "../../core/dialect.ts";
import type { ChatStream } from "../../core/handler.ts";
import type { OpenCall } from "../call-desk.ts";
import type { RestParts } from "../rest/context.ts";
import { doneText, errorText, type FrameId } from "./frames.ts";
import type { Outbox } from "./outbox.ts";

/** A call that was opened for a frame. */
export interface FramedCall {
  readonly id: FrameId;
  readonly opened: OpenCall;
  readonly encoder: StreamEncoder;
}

/** What calls of a socket stand on. */
export interface CallParts extends Pick<RestParts, "router" | "onBug"> {
  readonly outbox: Pick<Outbox, "send">;
}

/** Sends the chunks of a call as they come; gives its last frame back, which is the only one that says how it ended. Never rejects. */
export async function streamCall({ router, onBug, outbox }: CallParts, { id, opened, encoder }: FramedCall): Promise<string> {
  const { call } = opened;
  let stream: ChatStream | undefined;
  let usage: Usage | undefined;
  let partial = false;
  try {
    stream = await router.chat(call);
    const { batches, source } = stream;
    let completed = false;
    // By hand: `for await` would leave the rooms before they could be told why.
    for (let result = await batches.next(); result.done !== true; result = await batches.next()) {
      let lines = "";
      for (const event of result.value) {
        if (event.case === "whole" || event.case === "embedded") continue;
        if (event.case === "completed") {
          ({ usage } = event.value);
          completed = true;
        }
        lines += encoder.push(event);
      }
      if (lines === "") continue;
      partial = true;
      const wait = outbox.send(lines);
      if (wait !== undefined) await wait;
    }
    if (!completed) throw new Error("the stream ended well without its last event");
    return doneText(id, { call, source, usage });
  } catch (thrown) {
    const error = chatErrorFrom(thrown);
    if (error.failure === "INTERNAL") tellBug(error, opened, onBug);
    return errorText(error, { id, requestId: call.requestId, partial, call, source: stream?.source });
  } finally {
    await stream?.batches.return?.();
  }
}

/** A bug of this door ends the call by its own name, so that the log says what the caller saw. */
function tellBug(error: ChatError, opened: OpenCall, onBug: (error: unknown) => void): void {
  onBug(error.cause ?? error);
  opened.abort(error);
}
