/** A coding agent's traffic to `/v1/messages`: a long prompt, twenty tools, thinking, cache breakpoints, and its own way to go on. */
import Anthropic from "@anthropic-ai/sdk";

/** Whatever JSON holds. */
export type Fields = Readonly<Record<string, unknown>>;

const breakpoint = { cache_control: { type: "ephemeral" as const } };

/** Twenty, with schemas as agents have them; the last one ends what is cached. */
export const tools: readonly Anthropic.Tool[] = Array.from({ length: 20 }, (_, i) => ({
  name: `tool_${String(i).padStart(2, "0")}`,
  description: `Does the work of tool ${i}. ${"It says at length how to use it. ".repeat(20)}`,
  input_schema: {
    type: "object" as const,
    properties: {
      path: { type: "string", description: "Absolute" },
      lines: { type: "array", items: { type: "integer", minimum: 1, maximum: 9007199254740991 } },
      mode: { enum: ["fast", "safe"], default: "safe" },
    },
    required: ["path"],
    additionalProperties: false,
  },
  ...(i === 19 && breakpoint),
}));

const system: Anthropic.TextBlockParam[] = [
  { type: "text", text: "You are an agent for code." },
  { type: "text", text: `Rules follow. ${"Be careful with files. ".repeat(800)}`, ...breakpoint },
];

/** One session: what was said so far, and what the client saw of it. */
export class Session {
  readonly messages: Anthropic.MessageParam[] = [];
  /** All events, by turn. */
  readonly events: Anthropic.RawMessageStreamEvent[][] = [];
  readonly #client: Anthropic;

  constructor(url: string) {
    this.#client = new Anthropic({
      baseURL: url,
      apiKey: "any",
      maxRetries: 0,
      defaultHeaders: { "anthropic-beta": "interleaved-thinking-2025-05-14" },
    });
  }

  /** Asks, and goes on until nothing more is called. */
  async ask(model: string, question: string): Promise<Anthropic.Message> {
    this.messages.push({ role: "user", content: [{ type: "text", text: question }] });
    for (let turn = 0; turn < 5; turn++) {
      const answer = await this.#turn(model);
      this.messages.push({ role: "assistant", content: answer.content });
      const calls = answer.content.filter((block) => block.type === "tool_use");
      if (calls.length === 0) return answer;
      const results = calls.map(({ id, input }) => ({
        type: "tool_result" as const,
        tool_use_id: id,
        content: `read ${JSON.stringify(input)}`,
      }));
      this.messages.push({ role: "user", content: results });
    }
    throw new Error("it never comes to an end");
  }

  /** What the session would cost to read. */
  async count(model: string): Promise<number> {
    const body = { model, system, tools: [...tools], thinking: { type: "adaptive" as const }, messages: this.#marked() };
    return (await this.#client.messages.countTokens(body)).input_tokens;
  }

  async #turn(model: string): Promise<Anthropic.Message> {
    const stream = this.#client.messages.stream({
      model,
      max_tokens: 8000,
      system,
      tools: [...tools],
      tool_choice: { type: "auto" },
      thinking: { type: "adaptive" },
      output_config: { effort: "medium" },
      metadata: { user_id: "user_1_session_2" },
      messages: this.#marked(),
    });
    const events: Anthropic.RawMessageStreamEvent[] = [];
    this.events.push(events);
    // The SDK goes on with the objects it tells of, so a copy is kept.
    stream.on("streamEvent", (event) => events.push(structuredClone(event)));
    return stream.finalMessage();
  }

  /** The breakpoint moves along: only the last message has one. */
  #marked(): Anthropic.MessageParam[] {
    const last = this.messages.at(-1);
    if (last?.role !== "user" || typeof last.content === "string") return this.messages;
    const content = last.content.map((block, i, all) => (i === all.length - 1 ? { ...block, ...breakpoint } : block));
    return [...this.messages.slice(0, -1), { role: "user", content }];
  }
}
