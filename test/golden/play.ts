/** Plays a recorded answer through the house: provider and its reader, call-provider, meter. Only the socket is made up. */
import type { Attempt, Call } from "../../src/core/call.ts";
import { CacheStatus, type ChatEvent, type ChatRequest, type ChatResponse } from "../../src/core/chat.ts";
import { createFolder } from "../../src/core/fold.ts";
import type { ChatStream } from "../../src/core/handler.ts";
import { createHttpProvider } from "../../src/providers/http-provider.ts";
import type { WireBody } from "../../src/providers/wire/body.ts";
import { readWhole } from "../../src/providers/wire/body.ts";
import type { Wire } from "../../src/providers/wire/pool.ts";
import { callProvider } from "../../src/stages/call-provider.ts";
import { meter } from "../../src/stages/meter.ts";
import { attemptOf } from "../support/attempt.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import type { Answer } from "./answers.ts";
import { type DialectRow, targetOf } from "./dialects.ts";
import { requestOf } from "./requests.ts";

/** The answer under way, as a door gets it; rejects as `Handler` does. `chunks`: how its bytes come. Default: event by event. */
export function play(row: DialectRow, answer: Answer, chunks = answer.pieces): Promise<ChatStream> {
  const clock = createFakeClock();
  const { name, upstream, host, quirks } = row;
  const target = targetOf(row, "");
  const wire: Wire = {
    send: () => Promise.resolve({ status: answer.status, headers: answer.headers, body: bodyOf(chunks, name) }),
    close: () => Promise.resolve(),
  };
  const provider = createHttpProvider({
    name: host,
    wire,
    dialect: upstream,
    quirks,
    chatPath: () => "/",
    modelsPath: undefined,
    auth: "bearer",
    apiKey: undefined,
    clock,
  });
  const idle = attemptOf(askedFor(answer.name), { streamed: answer.streamed, target });
  const attempt: Attempt = { ...idle, snapshot: { ...idle.snapshot, providers: new Map([[host, provider]]) } };
  const chat = meter(
    [],
    clock,
  )(async () => {
    const { batches, head } = await callProvider(clock)(attempt);
    return { source: { target, cache: CacheStatus.MISS, attempts: [], notes: head.notes, rule: "" }, batches };
  });
  const call: Call = attempt;
  return chat(call);
}

/** What the answer answers: its own case's request where the answer is read by it, else one that has the tools which are called. */
export function askedFor(name: string): ChatRequest {
  return name === "json-schema" ? requestOf("json-schema") : requestOf("custom-tool");
}

/** All events of a stream. */
export async function eventsOf(stream: ChatStream): Promise<ChatEvent[]> {
  const events: ChatEvent[] = [];
  for await (const batch of stream.batches) events.push(...batch);
  return events;
}

/** The answer of a stream, whole. */
export async function foldedOf(stream: ChatStream): Promise<ChatResponse> {
  const folder = createFolder();
  for (const event of await eventsOf(stream)) folder.push(event);
  return folder.response();
}

function bodyOf(chunks: readonly Buffer[], who: string): WireBody {
  const waiting = [...chunks];
  const body: WireBody = {
    read: () => {
      const chunk = waiting.shift();
      return Promise.resolve(chunk && [chunk]);
    },
    all: (bytesMax) => readWhole(body, { who, bytesMax }),
    close() {},
  };
  return body;
}
