// A small HTTP server in OpenAI's shape around one local model: POST /v1/chat/completions (JSON and SSE) and GET /v1/models.
// Usage: node model-server.ts WEIGHTS.gguf PORT
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { json } from "node:stream/consumers";
import { loadModel } from "./model.ts";
import type { Message, Model } from "./model.ts";

const modelId = "smollm2-135m-instruct";
const [weights, port] = process.argv.slice(2);
if (weights === undefined || port === undefined) throw new Error("usage: node model-server.ts WEIGHTS.gguf PORT");

const model = await loadModel(weights);
const server = createServer((request, response) => {
  handle(model, request, response).catch((error: unknown) => fail(response, 500, error instanceof Error ? error.message : String(error)));
});
server.listen(Number(port), "127.0.0.1", () => {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the model server has no port");
  console.log(JSON.stringify({ message: "listening", url: `http://127.0.0.1:${address.port}/v1`, model: modelId }));
});

/** The part of OpenAI's request body that this server looks at; whatever else arrives is ignored. */
interface Body {
  readonly messages: readonly Message[];
  readonly stream: boolean;
  readonly includeUsage: boolean;
  readonly tokensMax: number | undefined;
  readonly temperature: number | undefined;
}

async function handle(local: Model, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method === "GET" && request.url === "/v1/models") {
    return send(response, { object: "list", data: [{ id: modelId, object: "model", created: 0, owned_by: "local" }] });
  }
  if (request.method !== "POST" || request.url !== "/v1/chat/completions") return fail(response, 404, "no such path");
  const body = bodyFromJson(await json(request));
  if (body === undefined) return fail(response, 400, "messages must be texts, the last one the user's");

  const gone = new AbortController();
  response.on("close", () => gone.abort());
  const head = { id: `chatcmpl-${randomUUID()}`, created: Math.floor(Date.now() / 1000), model: modelId };
  const chunk = (choices: readonly unknown[], rest = {}) =>
    response.write(`data: ${JSON.stringify({ ...head, object: "chat.completion.chunk", choices, ...rest })}\n\n`);
  const delta = (content: object, finishReason: string | null) => chunk([{ index: 0, delta: content, finish_reason: finishReason }]);

  let text = "";
  const onText = (piece: string) => {
    if (piece === "") return;
    text += piece;
    if (!body.stream) return;
    if (!response.headersSent) {
      response.writeHead(200, { "content-type": "text/event-stream" });
      delta({ role: "assistant", content: "" }, null);
    }
    delta({ content: piece }, null);
  };
  const { finishReason, promptTokens, completionTokens } = await local.generate({ ...body, signal: gone.signal, onText });
  const usage = { prompt_tokens: promptTokens, completion_tokens: completionTokens, total_tokens: promptTokens + completionTokens };

  if (!body.stream) {
    const choice = { index: 0, message: { role: "assistant", content: text }, finish_reason: finishReason };
    return send(response, { ...head, object: "chat.completion", choices: [choice], usage });
  }
  if (!response.headersSent) response.writeHead(200, { "content-type": "text/event-stream" });
  delta({}, finishReason);
  if (body.includeUsage) chunk([], { usage });
  response.end("data: [DONE]\n\n");
}

function bodyFromJson(value: unknown): Body | undefined {
  if (!isRecord(value) || !Array.isArray(value["messages"])) return undefined;
  const messages = value["messages"].map(messageFromJson).filter((message) => message !== undefined);
  if (messages.length !== value["messages"].length || messages.at(-1)?.role !== "user") return undefined;
  const options = value["stream_options"];
  return {
    messages,
    stream: value["stream"] === true,
    includeUsage: isRecord(options) && options["include_usage"] === true,
    tokensMax: numberOf(value["max_completion_tokens"]) ?? numberOf(value["max_tokens"]),
    temperature: numberOf(value["temperature"]),
  };
}

function messageFromJson(value: unknown): Message | undefined {
  if (!isRecord(value)) return undefined;
  const { role } = value;
  const content = textOf(value["content"]);
  if (content === undefined) return undefined;
  if (role === "developer") return { role: "system", content };
  return role === "system" || role === "user" || role === "assistant" ? { role, content } : undefined;
}

/** OpenAI allows a string or a list of parts; of the parts only text means anything to this model. */
function textOf(content: unknown): string | undefined {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return undefined;
  const texts = content.map((part: unknown) => (isRecord(part) && typeof part["text"] === "string" ? part["text"] : undefined));
  return texts.includes(undefined) ? undefined : texts.join("");
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

function send(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
}

/** Before the head: an error body. After it: the connection is cut, so that a broken stream never looks finished. */
function fail(response: ServerResponse, status: number, message: string): void {
  if (response.headersSent) return void response.destroy();
  const type = status < 500 ? "invalid_request_error" : "server_error";
  response
    .writeHead(status, { "content-type": "application/json" })
    .end(JSON.stringify({ error: { message, type, param: null, code: null } }));
}
