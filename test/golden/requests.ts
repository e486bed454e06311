/** One request a case, in the vocabulary: what leaves for each vendor is under `requests/`. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { ContentPartSchema, MessageSchema, ToolSchema } from "../../gen/semaroute/v1/chat_pb.ts";
import {
  type ChatRequest,
  ChatRequestSchema,
  ImageDetail,
  ReasoningEffort,
  ReasoningSummary,
  Role,
  ToolChoice_Mode,
} from "../../src/core/chat.ts";

/** Without the finished message, which cannot be taken apart and put together anew. */
type Plain<T> = Extract<T, { readonly $typeName?: never }>;
type RequestInit = Plain<MessageInitShape<typeof ChatRequestSchema>>;
type PartInit = Plain<MessageInitShape<typeof ContentPartSchema>>;
type MessageInit = Plain<MessageInitShape<typeof MessageSchema>>;
type ToolInit = Plain<MessageInitShape<typeof ToolSchema>>;

/** The cases; each is one of a dialect's abilities, or of its gaps. */
export const requestNames = [
  "audio",
  "custom-tool",
  "document",
  "document-text",
  "effort",
  "forced-tool",
  "image",
  "image-url",
  "json-object",
  "json-schema",
  "length",
  "parallel-tools",
  "reasoning",
  "refusal",
  "sampling",
  "stop",
  "text",
  "tools",
  "usage-cache",
] as const;

/** Name of a case. */
export type RequestName = (typeof requestNames)[number];

const text = (value: string): PartInit => ({ part: { case: "text", value: { text: value } } });
const said = (role: Role, ...content: PartInit[]): MessageInit => ({ role, content });
const user = (...content: PartInit[]): MessageInit => said(Role.USER, ...content);
const assistant = (...content: PartInit[]): MessageInit => said(Role.ASSISTANT, ...content);
const call = (id: string, name: string, argumentsJson: string, custom = false): PartInit => ({
  part: { case: "toolCall", value: { id, name, argumentsJson, custom } },
});
const result = (toolCallId: string, content: PartInit[], isError = false): PartInit => ({
  part: { case: "toolResult", value: { toolCallId, content, isError } },
});

/** Order of keys, a long integer and a constant are the schema's own, and must arrive. */
const citySchema =
  '{"type":"object","properties":{"city":{"type":"string","minLength":1},"id":{"type":"integer","const":12345678901234567890}},"required":["city"],"additionalProperties":false}';
const weather: ToolInit = {
  kind: {
    case: "function",
    value: { name: "weather", description: "Tells the weather.", parametersJsonSchema: citySchema, strict: true },
  },
};
const now: ToolInit = { kind: { case: "function", value: { name: "now", description: "Tells the time." } } };
const patch: ToolInit = {
  kind: {
    case: "custom",
    value: { name: "patch", description: "Changes a file.", grammarSyntax: "lark", grammar: "start: /.+/" },
  },
};
const answerSchema =
  '{"type":"object","properties":{"city":{"type":"string"},"celsius":{"type":"number","minimum":-90}},"required":["city","celsius"],"additionalProperties":false}';
/** A picture of one pixel. */
const png = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");
const picture: PartInit = {
  part: {
    case: "image",
    value: { media: { source: { case: "data", value: png }, mimeType: "image/png" }, detail: ImageDetail.LOW },
  },
};
const sealed = (issuer: string, kind: string) => ({ issuer, kind, value: `sealed-by-${issuer}` });

const inits: Readonly<Record<RequestName, RequestInit>> = {
  text: { messages: [said(Role.SYSTEM, text("Be brief.")), user(text("Hello"))] },
  tools: { messages: [user(text("What is the weather in Paris?"))], tools: [weather, now], toolChoice: { mode: ToolChoice_Mode.AUTO } },
  "forced-tool": {
    messages: [user(text("What is the weather in Paris?"))],
    tools: [weather, now],
    toolChoice: { mode: ToolChoice_Mode.REQUIRED, allowedNames: ["weather"], parallel: false },
  },
  "custom-tool": { messages: [user(text("Look, then change it."))], tools: [weather, now, patch] },
  "parallel-tools": {
    messages: [
      user(text("What is the weather in Paris, and when?")),
      assistant(
        text("Let me look."),
        call("call:1", "weather", '{"city":"Paris"}'),
        call("call_2", "now", ""),
        call("call_3", "patch", "a\nb", true),
      ),
      said(Role.TOOL, result("call:1", [text("21 degrees"), picture]), result("call_2", [text("no clock")], true)),
      said(Role.TOOL, result("call_3", [text("done")])),
      user(text("So?")),
    ],
    tools: [weather, now, patch],
  },
  reasoning: {
    messages: [
      user(text("Six times seven?")),
      assistant(
        { part: { case: "reasoning", value: { text: "Six sevens.", opaque: [sealed("anthropic", "signature")] } } },
        { part: { case: "reasoning", value: { text: "", opaque: [sealed("openai", "encrypted_content")] } } },
        { part: { case: "reasoning", value: { text: "Six sevens.", opaque: [sealed("bedrock", "signature")] } } },
        { ...call("call_1", "weather", '{"city":"Paris"}'), opaque: [sealed("google", "thought_signature")] },
      ),
      said(Role.TOOL, result("call_1", [text("21 degrees")])),
    ],
    tools: [weather],
    reasoning: { effort: ReasoningEffort.HIGH, summary: ReasoningSummary.AUTO },
    maxOutputTokens: 8000,
  },
  effort: { messages: [user(text("Six times seven?"))], reasoning: { effort: ReasoningEffort.MEDIUM } },
  image: { messages: [user(text("What is this?"), picture)] },
  "image-url": {
    messages: [
      user(text("What is this?"), {
        part: { case: "image", value: { media: { source: { case: "url", value: "https://example.com/llama.png" } } } },
      }),
    ],
  },
  document: {
    messages: [
      user(
        {
          part: {
            case: "document",
            value: {
              media: {
                source: { case: "data", value: Buffer.from("%PDF-1.7 llama") },
                mimeType: "application/pdf",
                filename: "llama.pdf",
              },
            },
          },
        },
        text("What does it say?"),
      ),
    ],
  },
  "document-text": {
    messages: [
      user(
        {
          part: {
            case: "document",
            value: {
              media: { source: { case: "data", value: Buffer.from("Llamas hum.") }, mimeType: "text/plain", filename: "notes.txt" },
            },
          },
        },
        text("What do they say?"),
      ),
    ],
  },
  audio: {
    messages: [
      user(text("What is said?"), {
        part: { case: "audio", value: { media: { source: { case: "data", value: Buffer.from("RIFF....WAVE") }, mimeType: "audio/wav" } } },
      }),
    ],
  },
  "json-schema": {
    messages: [user(text("How warm is it in Paris?"))],
    outputFormat: {
      format: { case: "jsonSchema", value: { name: "answer", description: "How warm.", jsonSchema: answerSchema, strict: true } },
    },
  },
  "json-object": {
    messages: [user(text("How warm is it in Paris? Answer in JSON."))],
    outputFormat: { format: { case: "jsonObject", value: {} } },
  },
  "usage-cache": {
    messages: [
      { role: Role.SYSTEM, content: [{ ...text("A long text."), cacheControl: { ttl: { seconds: 3600n } } }] },
      user({ ...text("Another long one."), cacheControl: {} }, text("Hello")),
    ],
    tools: [{ ...now, cacheControl: { ttl: { seconds: 3600n } } }],
    promptCacheKey: "session-1",
  },
  length: { messages: [user(text("Tell a story."))], maxOutputTokens: 2 },
  sampling: {
    messages: [user(text("Hello"))],
    sampling: {
      temperature: 1.5,
      topP: 0.9,
      topK: 40,
      frequencyPenalty: 0.5,
      presencePenalty: -0.5,
      seed: 7n,
      logprobs: true,
      topLogprobs: 2,
    },
    endUserId: "user-1",
    metadata: { trip: "42" },
    serviceTier: "priority",
    verbosity: "low",
  },
  stop: { messages: [user(text("Hello"))], sampling: { stop: ["END", "\n\n"] } },
  refusal: {
    messages: [
      user(text("Do it.")),
      assistant({ part: { case: "refusal", value: { text: "I will not." } } }),
      { ...said(Role.SYSTEM, text("Be kind.")), developer: true },
      { ...user(text("Please.")), name: "ann" },
    ],
  },
};

/** A fresh request of a case. */
export function requestOf(name: RequestName): ChatRequest {
  return create(ChatRequestSchema, { model: "auto", ...inits[name] });
}
