import type { ChatRequest, ContentPart } from "../core/chat.ts";

/** Longest word that is one token. */
const wordMax = 8;
const tokensPerMessage = 3;
const tokensPerImage = 256;

/**
 * Where the token that begins at `from` ends: white space with what follows it, which is up to eight letters and digits or one
 * other character. A scan by hand, since regular expressions over megabytes of prompt would hold up every other call.
 */
export function tokenEnd(text: string, from: number): number {
  let at = from;
  while (at < text.length && isSpace(text.charCodeAt(at))) at++;
  if (at === text.length) return at;
  const start = at;
  at++;
  if (isWord(text.charCodeAt(start))) while (at < text.length && at - start < wordMax && isWord(text.charCodeAt(at))) at++;
  // Never between the halves of a surrogate pair: a delta must be text of its own.
  return at < text.length && isLowSurrogate(text.charCodeAt(at)) && isHighSurrogate(text.charCodeAt(at - 1)) ? at + 1 : at;
}

/** The longest beginning of a text that has at most so many tokens. */
export function firstTokens(text: string, tokensMax: number): { readonly end: number; readonly tokens: number } {
  let tokens = 0;
  let end = 0;
  while (end < text.length && tokens < tokensMax) {
    end = tokenEnd(text, end);
    tokens++;
  }
  return { end, tokens };
}

/** Tokens of a text. */
export function countTokens(text: string): number {
  return firstTokens(text, Infinity).tokens;
}

/** Input tokens of a request, as the simulated provider bills them. */
export function countRequestTokens(request: Readonly<ChatRequest>): number {
  let tokens = 0;
  for (const message of request.messages) {
    tokens += tokensPerMessage + countTokens(message.text);
    for (const part of message.content) tokens += countPartTokens(part);
  }
  for (const { kind } of request.tools) {
    if (kind.case === "function")
      tokens += countTokens(kind.value.name) + countTokens(kind.value.description) + countTokens(kind.value.parametersJsonSchema);
    else if (kind.case === "custom") tokens += countTokens(kind.value.name) + countTokens(kind.value.description);
  }
  if (request.outputFormat?.format.case === "jsonSchema") tokens += countTokens(request.outputFormat.format.value.jsonSchema);
  return tokens;
}

function countPartTokens({ part }: ContentPart): number {
  switch (part.case) {
    case "text":
    case "reasoning":
    case "refusal":
      return countTokens(part.value.text);
    case "toolCall":
      return countTokens(part.value.name) + countTokens(part.value.argumentsJson);
    case "toolResult":
      return part.value.content.reduce((sum, each) => sum + countPartTokens(each), 0);
    case "image":
      return tokensPerImage;
    default:
      return 0;
  }
}

function isSpace(code: number): boolean {
  return code === 32 || (code >= 9 && code <= 13) || code === 0xa0;
}

/** Letters, digits, and everything beyond ASCII. */
function isWord(code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || (code >= 48 && code <= 57) || code > 0xa0;
}

function isHighSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff;
}

function isLowSurrogate(code: number): boolean {
  return code >= 0xdc00 && code <= 0xdfff;
}
