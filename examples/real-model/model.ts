import { availableParallelism } from "node:os";
import { LlamaChatSession, LlamaLogLevel, getLlama, resolveChatWrapper } from "node-llama-cpp";
import type { ChatHistoryItem } from "node-llama-cpp";

/** One message of a conversation, as plain text. */
export interface Message {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

/** What to generate, and how. */
export interface Generation {
  /** The conversation; the last message is the user's. */
  readonly messages: readonly Message[];
  /** Most tokens to generate. Default: 128. */
  readonly tokensMax: number | undefined;
  /** Sampling temperature; 0 takes the likeliest token each time. Default: 0. */
  readonly temperature: number | undefined;
  /** Aborts the generation. */
  readonly signal: AbortSignal;
  /** Receives text as the model writes it. */
  readonly onText: (text: string) => void;
}

/** How a generation ended and what it used. */
export interface Outcome {
  readonly finishReason: "stop" | "length";
  readonly promptTokens: number;
  readonly completionTokens: number;
}

/** A loaded model, which answers one conversation at a time. */
export interface Model {
  generate(generation: Generation): Promise<Outcome>;
}

/** Loads a GGUF file onto the CPU. Callers beyond the first wait for their turn. */
export async function loadModel(modelPath: string): Promise<Model> {
  // "never" keeps the engine from downloading or compiling llama.cpp: the prebuilt binary of the npm package is the only one wanted.
  // One core stays free for the router and the client: llama.cpp's threads wait for each other by spinning, so one thread too many makes a
  // token a hundred times dearer.
  const threads = Math.max(1, availableParallelism() - 1);
  const llama = await getLlama({ maxThreads: threads, gpu: false, build: "never", skipDownload: true, logLevel: LlamaLogLevel.error });
  const model = await llama.loadModel({ modelPath });
  const context = await model.createContext({ contextSize: 2048, sequences: 1, threads });
  const sequence = context.getSequence();
  let turn: Promise<unknown> = Promise.resolve();

  async function answer({ messages, tokensMax, temperature, signal, onText }: Generation): Promise<Outcome> {
    signal.throwIfAborted();
    // Every call starts from nothing, so that a repeated prompt costs the same as a new one and first-token times can be compared.
    await sequence.clearHistory();
    const before = sequence.tokenMeter.getState();
    const session = new LlamaChatSession({ contextSequence: sequence, chatWrapper: resolveChatWrapper(model) });
    try {
      session.setChatHistory(messages.slice(0, -1).map(historyItem));
      const result = await session.promptWithMeta(messages.at(-1)?.content ?? "", {
        onTextChunk: onText,
        maxTokens: tokensMax ?? 128,
        temperature: temperature ?? 0,
        signal,
      });
      const used = sequence.tokenMeter.diff(before);
      return {
        finishReason: result.stopReason === "maxTokens" ? "length" : "stop",
        promptTokens: used.usedInputTokens,
        completionTokens: used.usedOutputTokens,
      };
    } finally {
      session.dispose({ disposeSequence: false });
    }
  }

  return {
    generate(generation) {
      const mine = turn.then(() => answer(generation));
      turn = mine.catch(() => undefined);
      return mine;
    },
  };
}

function historyItem(message: Message): ChatHistoryItem {
  if (message.role === "assistant") return { type: "model", response: [message.content] };
  return { type: message.role, text: message.content };
}
