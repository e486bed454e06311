import { answerText, contentEvents, streamText } from "../fixtures.ts";

const expectedAnswer = Buffer.from(answerText);

/** What is wrong with a whole answer; undefined if nothing is. */
export function unaryFault(body: Buffer): string | undefined {
  return body.includes(expectedAnswer) ? undefined : `unexpected answer: ${body.toString().slice(0, 300)}`;
}

/** What is wrong with a stream: every event must be whole JSON, no content lost, and the end there. */
export function streamFault(body: string): string | undefined {
  let text = "";
  let contents = 0;
  let done = false;
  for (const event of body.split("\n\n")) {
    const data = event.startsWith("data: ") ? event.slice("data: ".length) : undefined;
    if (data === undefined) continue;
    if (done) return "an event after [DONE]";
    if (data === "[DONE]") {
      done = true;
      continue;
    }
    const piece = contentOf(data);
    if (piece !== "") contents++;
    text += piece;
  }
  if (!done) return `no [DONE]: ${body.slice(-300)}`;
  if (text !== streamText) return `content was lost: ${text.length} of ${streamText.length} characters`;
  return contents === contentEvents ? undefined : `${contents} content events instead of ${contentEvents}`;
}

/** The shape of a chunk that the verification reads. */
interface Chunk {
  readonly choices?: readonly { readonly delta?: { readonly content?: string | null } }[];
}

function contentOf(data: string): string {
  const chunk: Chunk = JSON.parse(data);
  return chunk.choices?.[0]?.delta?.content ?? "";
}
