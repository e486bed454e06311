import type { DecodedEmbedRequest, EmbedDoorDialect } from "../../core/dialect.ts";
import type { EmbedResponse } from "../../core/chat.ts";
import { ChatError } from "../../core/error.ts";
import type { RestCall, RestParts } from "./context.ts";
import { arrival, during } from "./opening.ts";
import { sendWhole, type WholeReader } from "./whole.ts";

/** One POST for embeddings, answered whole. Its language is of OpenAI's family, and its errors are those of that door. */
export async function serveEmbeddings(parts: RestParts, rest: RestCall, dialect: EmbedDoorDialect): Promise<void> {
  const arrived = await arrival(parts, rest);
  const decoded = dialect.decodeRequest(arrived.body);
  const init = { ...arrived, door: "openai", request: decoded.request, streamed: false } as const;
  await during(parts, rest, init, (opened) => sendWhole(parts, rest, opened, embeddedReader(decoded)));
}

function embeddedReader(decoded: DecodedEmbedRequest): WholeReader {
  let response: EmbedResponse | undefined;
  return {
    push(event) {
      if (event.case !== "embedded") return false;
      response = event.value;
      return true;
    },
    answer() {
      const whole = response;
      if (whole === undefined) throw new ChatError("INTERNAL", "there is no answer yet");
      return { usage: whole.usage, body: () => decoded.whole(whole) };
    },
  };
}
