/**
 * A vendor on a bad day, as a process of its own: `node bench/soak/upstream.ts SHARE` answers `SHARE` of its requests with a
 * fault drawn at random and the rest well. Prints its port. Never drifts: what it holds is bounded by what is asked of it.
 */
import { createServer, type ServerResponse } from "node:http";

const share = Number(process.argv[2] ?? 0);

type Fault = (response: ServerResponse, streamed: boolean) => void;

/** What goes wrong before any content: semaroute can heal it. */
const early: readonly Fault[] = [
  (response) => refuse(response, 500),
  (response) => refuse(response, 503, { "retry-after-ms": "50" }),
  (response) => refuse(response, 429, { "retry-after-ms": "20" }),
  (response) => response.socket?.resetAndDestroy(),
  (response) => void response.socket?.end(),
  (response) => void response.writeHead(200, { "content-type": "text/html" }).end("<html>maintenance</html>"),
  (response) => void response.writeHead(200, { "content-type": "application/json" }).end('{"choices":[{"mess'),
  (response, streamed) => {
    if (streamed)
      response
        .writeHead(200, { "content-type": "text/event-stream" })
        .end('data: {"error":{"message":"busy","type":"overloaded_error"}}\n\n');
    else refuse(response, 529);
  },
  // Never answers; the time limit or the caller ends it.
  () => {},
];
/** What goes wrong after the first content: the caller has to hear of it. */
const late: readonly Fault[] = [
  (response) => void response.end(),
  (response) => response.socket?.resetAndDestroy(),
  (response) => void response.write('data: {"error":{"message":"busy","type":"server_error"}}\n\n', () => response.end()),
  (response) => void response.write('data: {"choices":[{"delta":{"content":"ha', () => response.socket?.end()),
];

const server = createServer((request, response) => {
  let body = "";
  request.setEncoding("utf8").on("data", (text: string) => (body += text));
  request.on("error", ignore);
  response.on("error", ignore);
  request.on("end", () => {
    if (request.method === "GET") json(response, 200, { object: "list", data: [{ id: "m", object: "model" }] });
    else play(response, body.includes('"stream":true'));
  });
});
server.keepAliveTimeout = 2000;
server.listen(0, "127.0.0.1", () => console.log(JSON.stringify(server.address())));
process.on("SIGTERM", () => process.exit(0));

function play(response: ServerResponse, streamed: boolean): void {
  const goesWrong = Math.random() < share;
  if (!goesWrong) answer(response, streamed, undefined);
  else if (streamed && Math.random() < 0.3) answer(response, streamed, pick(late));
  else pick(early)(response, streamed);
}

const pieces = 12;

/** A good answer, or one that breaks in its middle. */
function answer(response: ServerResponse, streamed: boolean, breaks: Fault | undefined): void {
  if (!streamed) {
    const message = { role: "assistant", content: "soak ".repeat(20) };
    const usage = { prompt_tokens: 10, completion_tokens: 20, total_tokens: 30 };
    return json(response, 200, {
      id: "c",
      object: "chat.completion",
      created: 1,
      model: "m",
      choices: [{ index: 0, message, finish_reason: "stop" }],
      usage,
    });
  }
  response.writeHead(200, { "content-type": "text/event-stream" });
  let sent = 0;
  const more = (): void => {
    if (response.destroyed) return;
    if (sent === pieces / 2 && breaks !== undefined) return breaks(response, true);
    if (sent++ < pieces) {
      response.write(chunk({ content: "soak " }, null));
      setTimeout(more, 2 + Math.random() * 6);
    } else response.end(`${chunk({}, "stop")}data: [DONE]\n\n`);
  };
  more();
}

function chunk(delta: object, finish_reason: string | null): string {
  return `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, delta, finish_reason }] })}\n\n`;
}

function json(response: ServerResponse, status: number, value: object, headers: Readonly<Record<string, string>> = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(value));
}

function refuse(response: ServerResponse, status: number, headers: Readonly<Record<string, string>> = {}): void {
  json(response, status, { error: { message: `soak ${status}`, type: "server_error", param: null, code: null } }, headers);
}

function pick<T>(list: readonly T[]): T {
  const found = list[Math.floor(Math.random() * list.length)];
  if (found === undefined) throw new Error("an empty list");
  return found;
}

function ignore(): void {}
