/** The Anthropic door, asked as every other. */
import { createParser } from "eventsource-parser";
import { type Answer, type DoorClient, type Question, Refused } from "./doors.ts";

/** Whole and streamed. */
export const messagesDoors: readonly DoorClient[] = [
  { name: "Messages", door: "anthropic", streamed: false, rest: true, ask: (url, question) => ask(url, question, false) },
  { name: "Messages SSE", door: "anthropic", streamed: true, rest: true, ask: (url, question) => ask(url, question, true) },
];

async function ask(
  url: string,
  { model, content = "hello", temperature, headers, signal, onText }: Question,
  stream: boolean,
): Promise<Answer> {
  const response = await fetch(`${url}/v1/messages`, {
    method: "POST",
    headers: { "content-type": "application/json", "anthropic-version": "2023-06-01", ...headers },
    body: JSON.stringify({ model, max_tokens: 1000, messages: [{ role: "user", content }], temperature, ...(stream && { stream }) }),
    ...(signal !== undefined && { signal }),
  });
  if (response.status === 200 && stream) return readStream(response, onText);
  const body = await response.text();
  const parsed = JSON.parse(body);
  if (response.status !== 200)
    throw new Refused({ status: response.status, word: String(parsed.error.type), text: "", headers: response.headers, body });
  return { text: parsed.content.map(({ text = "" }) => text).join(""), headers: response.headers };
}

async function readStream(response: Response, onText: ((text: string) => void) | undefined): Promise<Answer> {
  const { headers } = response;
  let text = "";
  let body = "";
  let done = false;
  let error: string | undefined;
  const parser = createParser({
    onEvent({ event, data }) {
      if (done || error !== undefined) throw new Error(`something comes after the end: ${data}`);
      const told = JSON.parse(data);
      if (told.type !== event) throw new Error(`event ${event} holds ${data}`);
      if (event === "message_stop") done = true;
      if (event === "error") error = told.error.type;
      const piece = told.delta?.text ?? "";
      text += piece;
      if (piece !== "") onText?.(piece);
    },
  });
  const decoder = new TextDecoder();
  for await (const bytes of response.body ?? []) {
    const part = decoder.decode(bytes, { stream: true });
    body += part;
    parser.feed(part);
  }
  if (error !== undefined) throw new Refused({ status: 200, word: error, text, headers, body });
  if (!done) throw new Error(`the stream ended without message_stop and without an error: ${body}`);
  return { text, headers };
}
