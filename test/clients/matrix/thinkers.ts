/** Vendors that think in words of their own, which the mock does not speak. */
import { chunk, completion, type UpstreamHandler, type UpstreamRequest, usageChunk } from "../../support/scripted-upstream.ts";
import { answers, prompts } from "./script.ts";

/** What a turn holds, as far as the script goes. */
function turnOf({ body }: UpstreamRequest): { readonly thinks: boolean; readonly text: string; readonly streamed: boolean } {
  const said = JSON.stringify(body);
  // A conversation that has come to the second question is past the first one.
  const thinks = !said.includes(prompts.say);
  return { thinks, text: thinks ? answers.thought : prompts.say, streamed: said.includes('"stream":true') };
}

const cohereUsage = { tokens: { input_tokens: 9, output_tokens: 5 }, billed_units: { input_tokens: 9, output_tokens: 5 } };

/** Cohere: blocks of the type `thinking`. */
export const cohereThinker: UpstreamHandler = (reply, request) => {
  const { thinks, text, streamed } = turnOf(request);
  const blocks = [...(thinks ? [{ type: "thinking", thinking: answers.thinking }] : []), { type: "text", text }];
  if (!streamed)
    return reply.json({ id: "x", finish_reason: "COMPLETE", message: { role: "assistant", content: blocks }, usage: cohereUsage });
  const sse = reply.sse();
  const event = (type: string, more: object): void => void sse.data({ type, ...more }, type);
  event("message-start", { id: "x", delta: { message: { role: "assistant" } } });
  for (const [index, { type, ...said }] of blocks.entries()) {
    const [word = "", whole = ""] = Object.entries(said)[0] ?? [];
    event("content-start", { index, delta: { message: { content: { type, [word]: "" } } } });
    for (const piece of whole.split(/(?= )/)) event("content-delta", { index, delta: { message: { content: { [word]: piece } } } });
    event("content-end", { index });
  }
  event("message-end", { delta: { finish_reason: "COMPLETE", usage: cohereUsage } });
  return sse.end();
};

/** Mistral: content that is a list, with thoughts that are lists. */
export const mistralThinker: UpstreamHandler = (reply, request) => {
  const { thinks, text, streamed } = turnOf(request);
  const thought = { type: "thinking", thinking: [{ type: "text", text: answers.thinking }] };
  const content = thinks ? [thought, { type: "text", text }] : text;
  const choice = { index: 0, message: { role: "assistant", content }, finish_reason: "stop" };
  if (!streamed) return reply.json(completion("", { choices: [choice] }));
  const sse = reply.sse().data(chunk({ role: "assistant", content: "" }));
  if (thinks) sse.data(chunk({ content: [thought] })).data(chunk({ content: [{ type: "text", text }] }));
  else sse.data(chunk({ content: text }));
  return sse.data(chunk({}, "stop")).data(usageChunk(9, 5)).done();
};
