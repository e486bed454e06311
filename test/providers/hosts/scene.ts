/** A provider of one type of host, as the configuration makes it, before an upstream that says what the test tells it to. */
import { catalogPart, startProvider } from "../../../src/assembly/providers.ts";
import { loadConfiguration } from "../../../src/config/load.ts";
import { type ChatEvent, type ChatResponse, type TranslationNote } from "../../../src/core/chat.ts";
import { ChatError } from "../../../src/core/error.ts";
import { createFolder } from "../../../src/core/fold.ts";
import type { ProviderEvent } from "../../../src/core/provider.ts";
import { examinePolicy } from "../../../src/policies/examine.ts";
import { decodeChatRequest } from "../../../src/dialects/openai-chat/request-decode.ts";
import { type HostType, providerTypes } from "../../../src/providers/hosts.ts";
import { systemClock } from "../../../src/stores/system-clock.ts";
import { folderWith } from "../../config/workspace.ts";
import { attemptOf } from "../../support/attempt.ts";
import { createUpstream, type UpstreamRequest } from "../../support/scripted-upstream.ts";

/** What the upstream says. */
export interface Scripted {
  /** Default: 200. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes as they are; objects as JSON. */
  readonly body: string | object;
}

/** A call and what came of it. */
export interface Outcome {
  /** What the upstream was sent. */
  readonly sent: UpstreamRequest;
  /** The upstream's id of the request. */
  readonly requestId: string;
  readonly notes: readonly TranslationNote[];
  /** Undefined: it failed. */
  readonly response: ChatResponse | undefined;
  readonly events: readonly ChatEvent[];
  readonly error: ChatError | undefined;
}

/** Calls a host once. `settings` are those of the provider beside type, key and address; `request` is a body of OpenAI's door. */
export async function callHost(
  type: HostType,
  scripted: Scripted,
  { request = {}, streamed = false, settings = "" }: { request?: object; streamed?: boolean; settings?: string } = {},
): Promise<Outcome> {
  const { status = 200, headers = {}, body } = scripted;
  const text = typeof body === "string" ? body : JSON.stringify(body);
  await using upstream = await createUpstream((reply) => {
    if (status === 200)
      reply
        .sse({ "content-type": streamed ? "text/event-stream" : "application/json", ...headers })
        .raw(text)
        .end();
    else reply.json(typeof body === "string" ? text : body, status, headers);
  });
  const cwd = folderWith({
    "config.yaml": `providers: {up: {type: ${type}, api_key: test-key, base_url: "${upstream.url}", models: [{id: m, upstream: up-m}], ${settings}}}`,
  });
  const loaded = loadConfiguration({ providerTypes, examinePolicy, explicitPath: undefined, environment: {}, cwd });
  if (loaded.kind === "refused") throw new Error(JSON.stringify(loaded.problems));
  const [entry] = Object.entries(loaded.settings.providers);
  if (entry === undefined) throw new Error("there is no provider");
  const running = startProvider(...entry, loaded.settings.resilience.timeouts, systemClock);
  try {
    const [target] = catalogPart("up", running, { listed: undefined, at: new Date() }).targets;
    const decoded = decodeChatRequest({ model: "m", messages: [{ role: "user", content: "hi" }], ...request });
    const attempt = attemptOf(decoded.request, { streamed, ...(target !== undefined && { target }) });
    const { events, error } = await read(running.provider.chat(attempt));
    const [sent] = upstream.requests;
    if (sent === undefined) throw error ?? new Error("nothing was sent");
    return { sent, error, ...told(events) };
  } finally {
    await running.close();
  }
}

async function read(
  iterator: AsyncIterator<readonly ProviderEvent[]>,
): Promise<{ readonly events: readonly ProviderEvent[]; readonly error: ChatError | undefined }> {
  const events: ProviderEvent[] = [];
  try {
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) events.push(...next.value);
  } catch (error) {
    if (error instanceof ChatError) return { events, error };
    throw error;
  }
  return { events, error: undefined };
}

function told(all: readonly ProviderEvent[]): Pick<Outcome, "requestId" | "notes" | "response" | "events"> {
  const events: ChatEvent[] = [];
  let head: { readonly requestId: string; readonly notes: readonly TranslationNote[] } = { requestId: "", notes: [] };
  const folder = createFolder();
  for (const event of all) {
    if (event.case === "head") head = event.value;
    else {
      events.push(event);
      folder.push(event);
    }
  }
  const response = events.length === 0 ? undefined : folder.response();
  return { requestId: head.requestId, notes: head.notes, response, events };
}
