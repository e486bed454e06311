/** Answers as Anthropic writes them, for scripted upstreams. */
import type { UpstreamReply, UpstreamSse } from "./scripted-upstream.ts";

/** A whole answer. */
export function anthropicMessage(content: readonly object[], more: Readonly<Record<string, unknown>> = {}): object {
  return {
    id: "msg_scripted",
    type: "message",
    role: "assistant",
    model: "claude-haiku-4-5-20251001",
    content,
    stop_reason: "end_turn",
    stop_sequence: null,
    usage: { input_tokens: 20, cache_creation_input_tokens: 5, cache_read_input_tokens: 7, output_tokens: 3 },
    ...more,
  };
}

/** A block, whole and cut into deltas. */
export interface StreamedBlock {
  readonly start: object;
  readonly deltas: readonly object[];
}

/** Begins a stream, up to the last of these blocks. */
export function streamBlocks(reply: UpstreamReply, blocks: readonly StreamedBlock[]): UpstreamSse {
  const sse = reply.sse();
  const event = (type: string, more: object): void => void sse.data({ type, ...more }, type);
  event("message_start", { message: anthropicMessage([], { stop_reason: null }) });
  event("ping", {});
  for (const [index, { start, deltas }] of blocks.entries()) {
    event("content_block_start", { index, content_block: start });
    for (const delta of deltas) event("content_block_delta", { index, delta });
    event("content_block_stop", { index });
  }
  return sse;
}

/** Ends a stream well. */
export function endMessage(sse: UpstreamSse, delta: Readonly<Record<string, unknown>> = {}): void {
  const whole = { stop_reason: "end_turn", stop_sequence: null, ...delta };
  sse.data({ type: "message_delta", delta: whole, usage: { output_tokens: 9 } }, "message_delta");
  sse.data({ type: "message_stop" }, "message_stop").end();
}
