import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { ContentPartSchema, MediaSchema, MessageSchema } from "../../gen/semaroute/v1/chat_pb.ts";
import {
  type ChatRequest,
  ChatRequestSchema,
  ImageDetail,
  ReasoningEffort,
  ReasoningSummary,
  Role,
  ToolChoice_Mode,
} from "../../src/core/chat.ts";

export type RequestInit = MessageInitShape<typeof ChatRequestSchema>;
type PartInit = MessageInitShape<typeof ContentPartSchema>;
type PartInitOf = Exclude<PartInit, { $typeName: string }>;
type MessageInit = MessageInitShape<typeof MessageSchema>;
type MediaInit = MessageInitShape<typeof MediaSchema>;

/** The issuers of the six languages. */
export const issuers = ["openai", "openai_responses", "anthropic", "google", "cohere", "bedrock"] as const;

const png = Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 1, 2, 3]);
const pdf = new TextEncoder().encode("%PDF-1.7 x");
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const extensions = Object.fromEntries(issuers.map((issuer) => [issuer, `{"of_${issuer}":1}`]));

/** Fields of a part beside what it is. */
type PartRest = Pick<PartInitOf, "cacheControl" | "opaque" | "extensionsJson">;

function textOf(text: string, more: PartRest = {}): PartInit {
  return { part: { case: "text", value: { text } }, ...more };
}

function media(source: NonNullable<MediaInit["source"]>, mimeType: string, filename = ""): MediaInit {
  return { source, mimeType, filename };
}

function user(...content: PartInit[]): MessageInit {
  return { role: Role.USER, content };
}

/** A conversation in which the assistant said this, and the user goes on. */
function said(...content: PartInit[]): RequestInit {
  return { messages: [user(textOf("q")), { role: Role.ASSISTANT, content }, user(textOf("go on"))] };
}

/** A call of a tool, with its result. */
function called(asked: PartInit, ...told: PartInit[]): RequestInit {
  return {
    tools: [tool("look")],
    messages: [user(textOf("q")), { role: Role.ASSISTANT, content: [textOf("I look"), asked] }, { role: Role.TOOL, content: told }],
  };
}

const schema = '{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}';

type ToolInit = NonNullable<RequestInit["tools"]>[number];

function tool(
  name: string,
  more: { readonly strict?: boolean } = {},
  rest: Pick<ToolInit, "cacheControl" | "extensionsJson"> = {},
): ToolInit {
  return { kind: { case: "function", value: { name, description: `does ${name}`, parametersJsonSchema: schema, ...more } }, ...rest };
}

function call(name: string, more: PartRest = {}): PartInit {
  return { part: { case: "toolCall", value: { id: "call_1", name, argumentsJson: '{"a":"b"}' } }, ...more };
}

function result(content: PartInit[], more: { readonly isError?: boolean; readonly name?: string } = {}, rest: PartRest = {}): PartInit {
  return { part: { case: "toolResult", value: { toolCallId: "call_1", content, ...more } }, ...rest };
}

const tokens = (kind: string): { issuer: string; kind: string; value: string }[] =>
  [...issuers, "xai"].map((issuer) => ({ issuer, kind, value: `sealed-by-${issuer}` }));

/** Requests that each say one thing beside the question; together they say all that the API can. */
const inits: Record<string, RequestInit> = {
  "sampling.temperature": { sampling: { temperature: 0.7 } },
  "sampling.temperature beyond 1": { sampling: { temperature: 1.7 } },
  "sampling.top_p": { sampling: { topP: 0.7 } },
  "temperature and top_p": { sampling: { temperature: 0.7, topP: 0.6 } },
  "sampling.top_k": { sampling: { topK: 7 } },
  "sampling.min_p": { sampling: { minP: 0.1 } },
  "sampling.frequency_penalty": { sampling: { frequencyPenalty: 0.5 } },
  "sampling.presence_penalty": { sampling: { presencePenalty: 0.5 } },
  "both penalties": { sampling: { frequencyPenalty: 0.5, presencePenalty: 0.4 } },
  "negative penalties": { sampling: { frequencyPenalty: -0.5 } },
  "sampling.repetition_penalty": { sampling: { repetitionPenalty: 1.2 } },
  "sampling.seed": { sampling: { seed: 7n } },
  "seed of 64 bits": { sampling: { seed: 9_007_199_254_740_993n } },
  "sampling.logit_bias": { sampling: { logitBias: { "17": -5 } } },
  "sampling.stop": { sampling: { stop: ["END"] } },
  "blank stop": { sampling: { stop: ["END", " "] } },
  "sampling.logprobs": { sampling: { logprobs: true } },
  "sampling.top_logprobs": { sampling: { logprobs: true, topLogprobs: 3 } },
  max_output_tokens: { maxOutputTokens: 100 },
  "max_output_tokens beyond the model": { maxOutputTokens: 3_000_000 },
  "max_output_tokens of one": { maxOutputTokens: 1 },
  n: { n: 2 },
  "modalities and audio": { modalities: ["text", "audio"], audio: { voice: "alloy", format: "wav" } },
  audio: { audio: { voice: "alloy", format: "wav" } },
  verbosity: { verbosity: "low" },
  ...Object.fromEntries(
    ["auto", "default", "flex", "priority", "standard_only", "other"].map((tier) => [`tier ${tier}`, { serviceTier: tier }]),
  ),
  end_user_id: { endUserId: "user-1" },
  prompt_cache_key: { promptCacheKey: "k" },
  metadata: { metadata: { team: "a" } },
  store: { store: true },
  extensions_json: { extensionsJson: extensions },
  ...Object.fromEntries(
    Object.entries(ReasoningEffort).flatMap(([word, effort]) =>
      typeof effort === "number" && effort > 0 ? [[`effort ${word}`, { reasoning: { effort }, maxOutputTokens: 20_000 }]] : [],
    ),
  ),
  "reasoning.budget_tokens": { reasoning: { budgetTokens: 3000 }, maxOutputTokens: 20_000 },
  "effort and budget": { reasoning: { effort: ReasoningEffort.HIGH, budgetTokens: 3000 }, maxOutputTokens: 20_000 },
  summary: { reasoning: { effort: ReasoningEffort.HIGH, summary: ReasoningSummary.DETAILED }, maxOutputTokens: 20_000 },
  "summary concise": { reasoning: { effort: ReasoningEffort.HIGH, summary: ReasoningSummary.CONCISE }, maxOutputTokens: 20_000 },
  "summary omitted": { reasoning: { effort: ReasoningEffort.HIGH, summary: ReasoningSummary.OMITTED }, maxOutputTokens: 20_000 },
  "json object": { outputFormat: { format: { case: "jsonObject", value: {} } } },
  "json schema": {
    outputFormat: { format: { case: "jsonSchema", value: { name: "out", description: "an answer", jsonSchema: schema, strict: true } } },
  },
  "json schema, loose": { outputFormat: { format: { case: "jsonSchema", value: { name: "out", jsonSchema: schema, strict: false } } } },
  "json schema and tools": {
    tools: [tool("look")],
    outputFormat: { format: { case: "jsonSchema", value: { name: "out", description: "an answer", jsonSchema: schema, strict: true } } },
  },
  "a tool": { tools: [tool("look", { strict: true })] },
  "a loose tool": { tools: [tool("look", { strict: false })] },
  "a tool without parameters": { tools: [{ kind: { case: "function", value: { name: "now" } } }] },
  "a tool with a long name": { tools: [tool("n".repeat(128))] },
  "a cached tool": { tools: [tool("look", {}, { cacheControl: {} })] },
  "a tool cached for long": { tools: [tool("look", {}, { cacheControl: { ttl: { seconds: 3600n } } })] },
  "a tool's extensions": { tools: [tool("look", {}, { extensionsJson: extensions })] },
  "a custom tool": {
    tools: [{ kind: { case: "custom", value: { name: "sh", description: "runs", grammarSyntax: "lark", grammar: "start: x" } } }],
  },
  "a custom tool called": {
    tools: [{ kind: { case: "custom", value: { name: "sh" } } }],
    messages: [
      user(textOf("q")),
      {
        role: Role.ASSISTANT,
        content: [{ part: { case: "toolCall", value: { id: "call_1", name: "sh", argumentsJson: "ls", custom: true } } }],
      },
      { role: Role.TOOL, content: [result([textOf("a b")])] },
    ],
  },
  ...Object.fromEntries(
    issuers.map((issuer) => [
      `a tool of ${issuer}`,
      { tools: [{ kind: { case: "native" as const, value: { issuer, json: '{"type":"web_search_x"}' } } }, tool("look")] },
    ]),
  ),
  "choice auto": { tools: [tool("look")], toolChoice: { mode: ToolChoice_Mode.AUTO } },
  "choice none": { tools: [tool("look")], toolChoice: { mode: ToolChoice_Mode.NONE } },
  "choice required": { tools: [tool("look")], toolChoice: { mode: ToolChoice_Mode.REQUIRED } },
  "choice named": { tools: [tool("look"), tool("leap")], toolChoice: { mode: ToolChoice_Mode.REQUIRED, allowedNames: ["look"] } },
  "choice among some": {
    tools: [tool("look"), tool("leap"), tool("lie")],
    toolChoice: { mode: ToolChoice_Mode.AUTO, allowedNames: ["look", "leap"] },
  },
  "choice among some, required": {
    tools: [tool("look"), tool("leap"), tool("lie")],
    toolChoice: { mode: ToolChoice_Mode.REQUIRED, allowedNames: ["look", "leap"] },
  },
  "one call at a time": { tools: [tool("look")], toolChoice: { parallel: false } },
  "system first": { messages: [{ role: Role.SYSTEM, text: "be brief" }, user(textOf("q"))] },
  "developer first": { messages: [{ role: Role.SYSTEM, developer: true, text: "be brief" }, user(textOf("q"))] },
  "system later": {
    messages: [user(textOf("q")), { role: Role.SYSTEM, text: "be brief" }, user(textOf("r"))],
  },
  "a name": { messages: [{ role: Role.USER, name: "ann", content: [textOf("q")] }] },
  "a name of the assistant's": {
    messages: [user(textOf("q")), { role: Role.ASSISTANT, name: "bob", content: [textOf("a")] }, user(textOf("r"))],
  },
  "a name of the system's": { messages: [{ role: Role.SYSTEM, name: "sue", text: "be brief" }, user(textOf("q"))] },
  "a message's extensions": { messages: [{ role: Role.USER, content: [textOf("q")], extensionsJson: extensions }] },
  "an answer's extensions": {
    messages: [user(textOf("q")), { role: Role.ASSISTANT, content: [textOf("a")], extensionsJson: extensions }, user(textOf("r"))],
  },
  "a part's extensions": { messages: [user(textOf("q", { extensionsJson: extensions }))] },
  "a picture's extensions": {
    messages: [
      user(textOf("q"), {
        part: { case: "image", value: { media: media({ case: "data", value: png }, "image/png") } },
        extensionsJson: extensions,
      }),
    ],
  },
  "a call's extensions": called(call("look", { extensionsJson: extensions }), result([textOf("ok")])),
  "a result's extensions": called(call("look"), result([textOf("ok")], {}, { extensionsJson: extensions })),
  "cached text": { messages: [user(textOf("q", { cacheControl: {} }))] },
  "text cached for long": { messages: [user(textOf("q", { cacheControl: { ttl: { seconds: 3600n } } }))] },
  "text cached for half an hour": { messages: [user(textOf("q", { cacheControl: { ttl: { seconds: 1800n } } }))] },
  "cached instructions": { messages: [{ role: Role.SYSTEM, content: [textOf("be brief", { cacheControl: {} })] }, user(textOf("q"))] },
  "a cached answer": said(textOf("a", { cacheControl: {} })),
  "a cached call": called(call("look", { cacheControl: {} }), result([textOf("ok")])),
  "a cached result": called(call("look"), result([textOf("ok")], {}, { cacheControl: {} })),
  "an image": {
    messages: [
      user(textOf("q"), {
        part: { case: "image", value: { media: media({ case: "data", value: png }, "image/png", "p.png"), detail: ImageDetail.HIGH } },
      }),
    ],
  },
  "an image in its original size": {
    messages: [
      user(textOf("q"), {
        part: { case: "image", value: { media: media({ case: "data", value: png }, "image/png"), detail: ImageDetail.ORIGINAL } },
      }),
    ],
  },
  "a cached image": {
    messages: [
      user(textOf("q"), { part: { case: "image", value: { media: media({ case: "data", value: png }, "image/png") } }, cacheControl: {} }),
    ],
  },
  "an image by URL": {
    messages: [
      user(textOf("q"), {
        part: { case: "image", value: { media: media({ case: "url", value: "https://a.example/b.png" }, "image/png") } },
      }),
    ],
  },
  ...Object.fromEntries(
    issuers.flatMap((issuer) => [
      [
        `an image uploaded to ${issuer}`,
        {
          messages: [
            user(textOf("q"), {
              part: {
                case: "image" as const,
                value: { media: { source: { case: "file" as const, value: { issuer, id: "file-1" } }, mimeType: "image/png" } },
              },
            }),
          ],
        },
      ],
      [
        `a document uploaded to ${issuer}`,
        {
          messages: [
            user(textOf("q"), {
              part: {
                case: "document" as const,
                value: {
                  media: { source: { case: "file" as const, value: { issuer, id: "file-1" } }, mimeType: "application/pdf" },
                  title: "t",
                  context: "c",
                  citations: true,
                },
              },
            }),
          ],
        },
      ],
    ]),
  ),
  sound: {
    messages: [
      user(textOf("q"), { part: { case: "audio", value: { media: media({ case: "data", value: bytes("RIFF") }, "audio/wav", "a.wav") } } }),
    ],
  },
  "a film": {
    messages: [
      user(textOf("q"), { part: { case: "video", value: { media: media({ case: "data", value: bytes("film") }, "video/mp4", "a.mp4") } } }),
    ],
  },
  "a pdf": {
    messages: [
      user(textOf("q"), {
        part: {
          case: "document",
          value: { media: media({ case: "data", value: pdf }, "application/pdf", "d.pdf"), title: "t", context: "c", citations: true },
        },
      }),
    ],
  },
  "a document of text": {
    messages: [
      user(textOf("q"), {
        part: {
          case: "document",
          value: {
            media: media({ case: "data", value: bytes("hello") }, "text/plain", "d.txt"),
            title: "t",
            context: "c",
            citations: true,
          },
        },
      }),
    ],
  },
  "a cached document": {
    messages: [
      user(textOf("q"), {
        part: { case: "document", value: { media: media({ case: "data", value: bytes("hello") }, "text/plain", "d.txt") } },
        cacheControl: {},
      }),
    ],
  },
  "a document by URL": {
    messages: [
      user(textOf("q"), {
        part: {
          case: "document",
          value: {
            media: media({ case: "url", value: "https://a.example/d.pdf" }, "application/pdf", "d.pdf"),
            title: "t",
            context: "c",
            citations: true,
          },
        },
      }),
    ],
  },
  "a call and its result": called(call("look"), result([textOf("ok")], { name: "look" })),
  "a failed call": called(call("look"), result([textOf("no")], { isError: true })),
  "a result with a picture": called(
    call("look"),
    result([
      textOf("see"),
      { part: { case: "image", value: { media: media({ case: "data", value: png }, "image/png"), detail: ImageDetail.HIGH } } },
    ]),
  ),
  "a result with cached text": called(call("look"), result([textOf("ok", { cacheControl: {} })])),
  "a result whose text has extensions": called(call("look"), result([textOf("ok", { extensionsJson: extensions })])),
  "a result with a document": called(
    call("look"),
    result([
      {
        part: {
          case: "document",
          value: {
            media: media({ case: "data", value: bytes("hello") }, "text/plain", "d.txt"),
            title: "t",
            context: "c",
            citations: true,
          },
        },
      },
    ]),
  ),
  "a refusal": said({ part: { case: "refusal", value: { text: "I will not", category: "violence" } } }),
  "sound of the assistant's": said({
    part: {
      case: "audio",
      value: {
        media: media({ case: "data", value: bytes("RIFF") }, "audio/wav"),
        transcript: "hello",
        audioId: "audio_1",
        expireTime: { seconds: 1n },
      },
    },
  }),
  "cited text": said({
    part: {
      case: "text",
      value: { text: "a", citations: [{ start: 0, end: 1, title: "t", url: "https://a.example", citedText: "c", documentIndex: 1 }] },
    },
  }),
  reasoning: said({ part: { case: "reasoning", value: { text: "hm" } } }, textOf("a")),
  "a summary of reasoning": said({ part: { case: "reasoning", value: { text: "hm", summary: true } } }, textOf("a")),
  ...Object.fromEntries(
    ["signature", "redacted_thinking", "encrypted_content", "thought_signature"].flatMap((kind) =>
      tokens(kind).flatMap((token) => [
        [
          `reasoning with ${token.issuer}'s ${kind}`,
          said(
            { part: { case: "reasoning" as const, value: { text: kind === "redacted_thinking" ? "" : "hm", opaque: [token] } } },
            textOf("a"),
          ),
        ],
        [`text with ${token.issuer}'s ${kind}`, said(textOf("a", { opaque: [token] }))],
        [`a call with ${token.issuer}'s ${kind}`, called(call("look", { opaque: [token] }), result([textOf("ok")]))],
      ]),
    ),
  ),
  ...Object.fromEntries(
    issuers.flatMap((issuer) => [
      [
        `a server tool of ${issuer}`,
        said(
          {
            part: {
              case: "serverTool" as const,
              value: { id: "s1", name: "web_search", inputJson: '{"q":1}', outputJson: '{"type":"x"}', issuer },
            },
          },
          textOf("a"),
        ),
      ],
      [
        `a block of ${issuer}`,
        said({ part: { case: "native" as const, value: { issuer, json: '{"type":"x","text":"t"}' } } }, textOf("a")),
      ],
      [
        `a block of ${issuer} from the user`,
        { messages: [user(textOf("q"), { part: { case: "native" as const, value: { issuer, json: '{"type":"x","text":"t"}' } } })] },
      ],
    ]),
  ),
};

/** By what each says. */
export const samples: ReadonlyMap<string, ChatRequest> = new Map(
  Object.entries(inits).map(([name, init]) => [name, create(ChatRequestSchema, { model: "m", messages: [user(textOf("q"))], ...init })]),
);
