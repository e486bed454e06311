/**
 * Three vendors that play one coding session, each in its own words, sealed thoughts included: at first two calls at once, then one
 * more, then words. A new question after that gets words, too.
 */
import { endMessage, type StreamedBlock, streamBlocks } from "../../support/anthropic-messages.ts";
import { chunk, type UpstreamHandler, type UpstreamReply, type UpstreamRequest, usageChunk } from "../../support/scripted-upstream.ts";

/** What a vendor says in one turn. */
interface Turn {
  readonly thought: string;
  readonly text: string;
  readonly calls: readonly { readonly id: string; readonly name: string; readonly input: object }[];
}

const read = (id: string, path: string) => ({ id, name: "tool_03", input: { path, lines: [1, 9007199254740991] } });

/** By the results that have come so far; `vendor` tells ids of calls apart. */
export function turnFor(vendor: string, results: number): Turn {
  if (results === 0)
    return { thought: "Two files.", text: "I read both.", calls: [read(`${vendor}_a`, "a.ts"), read(`${vendor}_b`, "b.ts")] };
  if (results === 2) return { thought: "One more.", text: "", calls: [read(`${vendor}_c`, "c.ts")] };
  return { thought: "Enough.", text: "All is well.", calls: [] };
}

/** How often a word stands in the body. */
function count({ body }: UpstreamRequest, word: RegExp): number {
  return [...JSON.stringify(body).matchAll(word)].length;
}

/** Signatures as each vendor seals its own thoughts, by turn. */
export const seals = { claude: (turn: Turn) => btoa(`claude ${turn.thought}`), google: (turn: Turn) => btoa(`google ${turn.thought}`) };

/** Anthropic. */
export const claude: UpstreamHandler = (reply, request) => {
  if (request.path === "/v1/messages/count_tokens") return reply.json({ input_tokens: 4711 });
  const turn = turnFor("toolu", count(request, /"type":"tool_result"/g));
  const blocks: StreamedBlock[] = [
    {
      start: { type: "thinking", thinking: "", signature: "" },
      deltas: [
        { type: "thinking_delta", thinking: turn.thought },
        { type: "signature_delta", signature: seals.claude(turn) },
      ],
    },
  ];
  if (turn.text !== "") blocks.push({ start: { type: "text", text: "" }, deltas: [{ type: "text_delta", text: turn.text }] });
  for (const { id, name, input } of turn.calls) {
    const deltas = pieces(JSON.stringify(input)).map((partial_json) => ({ type: "input_json_delta", partial_json }));
    blocks.push({ start: { type: "tool_use", id, name, input: {} }, deltas });
  }
  return endMessage(streamBlocks(reply, blocks), { stop_reason: turn.calls.length > 0 ? "tool_use" : "end_turn" });
};

/** A server that speaks OpenAI's chat completions, and shows what it thinks. */
export const compatible: UpstreamHandler = (reply, request) => {
  const turn = turnFor("call", count(request, /"role":"tool"/g));
  const sse = reply.sse().data(chunk({ role: "assistant", reasoning_content: turn.thought }));
  if (turn.text !== "") sse.data(chunk({ content: turn.text }));
  for (const [index, { id, name, input }] of turn.calls.entries()) {
    sse.data(chunk({ tool_calls: [{ index, id, type: "function", function: { name, arguments: "" } }] }));
    for (const piece of pieces(JSON.stringify(input))) sse.data(chunk({ tool_calls: [{ index, function: { arguments: piece } }] }));
  }
  return sse
    .data(chunk({}, turn.calls.length > 0 ? "tool_calls" : "stop"))
    .data(usageChunk(10, 4))
    .done();
};

/** Google, which seals the first call of a step. */
export const google: UpstreamHandler = (reply, request) => {
  if (request.path.endsWith(":countTokens")) return reply.json({ totalTokens: 815 });
  const turn = turnFor("fc", count(request, /"functionResponse":/g));
  const sealed = (i: number) => (i === 0 ? { thoughtSignature: seals.google(turn) } : {});
  const parts: object[] = [{ text: turn.thought, thought: true }];
  if (turn.text !== "") parts.push({ text: turn.text });
  for (const [i, { id, name, input }] of turn.calls.entries()) parts.push({ functionCall: { id, name, args: input }, ...sealed(i) });
  return streamParts(reply, parts);
};

function streamParts(reply: UpstreamReply, parts: readonly object[]): void {
  const usageMetadata = { promptTokenCount: 12, candidatesTokenCount: 5, totalTokenCount: 17 };
  const sse = reply.sse();
  for (const [i, part] of parts.entries()) {
    const last = i === parts.length - 1 && { finishReason: "STOP" };
    const candidates = [{ content: { role: "model", parts: [part] }, index: 0, ...last }];
    sse.data({ candidates, usageMetadata, modelVersion: "gemini-3.5-flash", responseId: "r-1" });
  }
  sse.end();
}

function pieces(text: string): readonly string[] {
  return text.match(/.{1,9}/gsu) ?? [];
}
