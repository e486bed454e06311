import { type CallRequest, type ContentPart, type EmbedInput, isEmbedRequest } from "./chat.ts";

/**
 * Bytes of English text per token, near enough for BPE vocabularies of 100,000 to 200,000 words. Real tokenizers block
 * for seconds on unbroken text, so we estimate, and always bill by the vendor's own count.
 */
const charactersPerToken = 4;
/** What a vendor's chat template adds around each message. */
const tokensPerMessage = 4;
/** A picture of usual size at OpenAI's and Anthropic's rates. */
const tokensPerImage = 1000;

/** Tokens of a text, rounded up. */
export function estimateTextTokens(characters: number): number {
  return Math.ceil(characters / charactersPerToken);
}

/** Tokens of one text or token array that is to be embedded. */
export function estimateEmbedTokens({ input }: EmbedInput): number {
  if (input.case === "tokens") return input.value.ids.length;
  return estimateTextTokens(input.value?.length ?? 0);
}

/** Input tokens of a request. */
export function estimateInputTokens(request: Readonly<CallRequest>): number {
  if (isEmbedRequest(request)) return request.inputs.reduce((sum, each) => sum + estimateEmbedTokens(each), 0);
  let characters = 0;
  let tokens = 3;
  for (const each of request.messages) {
    tokens += tokensPerMessage;
    characters += each.text.length;
    for (const part of each.content) {
      characters += partCharacters(part);
      if (part.part.case === "image") tokens += tokensPerImage;
    }
  }
  for (const tool of request.tools) {
    tokens += 8;
    if (tool.kind.case === "function")
      characters += tool.kind.value.name.length + tool.kind.value.description.length + tool.kind.value.parametersJsonSchema.length;
    else if (tool.kind.case === "custom") characters += tool.kind.value.description.length + tool.kind.value.grammar.length;
    else if (tool.kind.case === "native") characters += tool.kind.value.json.length;
  }
  if (request.outputFormat?.format.case === "jsonSchema") characters += request.outputFormat.format.value.jsonSchema.length;
  return tokens + estimateTextTokens(characters);
}

function partCharacters(part: ContentPart): number {
  const { part: inner } = part;
  switch (inner.case) {
    case "text":
    case "reasoning":
    case "refusal":
      return inner.value.text.length;
    case "toolCall":
      return inner.value.name.length + inner.value.argumentsJson.length;
    case "toolResult":
      return inner.value.content.reduce((sum, each) => sum + partCharacters(each), 0);
    case "document":
      return inner.value.media?.source.case === "data" ? inner.value.media.source.value.length : 0;
    default:
      return 0;
  }
}
