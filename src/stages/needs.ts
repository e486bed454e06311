import type { Call } from "../core/call.ts";
import type { Target } from "../core/catalog.ts";
import { type ContentPart, type EmbedInput, isEmbedRequest, type ModelCapabilities } from "../core/chat.ts";
import { estimateEmbedTokens, estimateInputTokens } from "../core/estimate.ts";

/** What a call asks of a target. */
export interface Needs {
  readonly inputTokens: number;
  /** What has to fit the model's context at once: of embeddings the longest input. */
  readonly contextTokens: number;
  /** Most that a choice of the answer may have; undefined: the caller sets no limit. */
  readonly outputTokensMax: number | undefined;
  readonly choices: number;
  /** Capabilities that must not be known to be missing, with the path that asks for each. */
  readonly capabilities: readonly (readonly [keyof ModelCapabilities, string])[];
}

/** Reads a request once, for all its candidates. */
export function needsOf({ request, streamed }: Call, inputTokens: number = estimateInputTokens(request)): Needs {
  if (isEmbedRequest(request)) {
    const contextTokens = request.inputs.reduce((most, input) => Math.max(most, leastTokens(input)), 0);
    return { inputTokens, contextTokens, outputTokensMax: 0, choices: 1, capabilities: [["embeddings", "embeddings"]] };
  }
  const capabilities: [keyof ModelCapabilities, string][] = [];
  if (streamed) capabilities.push(["streaming", "stream"]);
  if (request.tools.length > 0) capabilities.push(["tools", "tools"]);
  const format = request.outputFormat?.format.case;
  if (format === "jsonObject") capabilities.push(["jsonObject", "output_format"]);
  if (format === "jsonSchema") capabilities.push(["jsonSchema", "output_format"]);
  for (const message of request.messages) for (const part of message.content) addMedia(capabilities, part);
  return {
    inputTokens,
    contextTokens: inputTokens,
    outputTokensMax: request.maxOutputTokens,
    choices: request.n ?? 1,
    capabilities,
  };
}

/** A tool that runs at the vendor's would run twice, and what is stored there would be stored twice. */
export function mustNotRunTwice({ request }: Pick<Call, "request">): boolean {
  return !isEmbedRequest(request) && (request.store === true || request.tools.some(({ kind }) => kind.case === "native"));
}

/** Embedding models have room for a page or two, and a vendor's own no costs nothing: only what cannot fit by any count is kept from it. */
function leastTokens(input: EmbedInput): number {
  const estimated = estimateEmbedTokens(input);
  return input.input.case === "tokens" ? estimated : Math.ceil(estimated / 2);
}

const mediaNeeds = { image: "imageInput", audio: "audioInput", document: "documentInput", video: "videoInput" } as const;

function addMedia(needs: [keyof ModelCapabilities, string][], { part }: ContentPart): void {
  switch (part.case) {
    case "image":
    case "audio":
    case "document":
    case "video": {
      const capability = mediaNeeds[part.case];
      if (needs.every(([known]) => known !== capability)) needs.push([capability, part.case]);
      break;
    }
    case "toolResult":
      for (const inner of part.value.content) addMedia(needs, inner);
      break;
    default:
  }
}

/** Why a target cannot serve the call at all; undefined: it can, as far as is known. */
export function misfit(
  { capabilities }: Target,
  needs: Needs,
): { readonly reason: string; readonly kind: "feature" | "context"; readonly field?: string } | undefined {
  for (const [capability, path] of needs.capabilities) {
    if (capabilities[capability] === false) return { reason: `the model cannot do ${path}`, kind: "feature", field: path };
  }
  const room = capabilities.contextTokens;
  if (room !== undefined && needs.contextTokens > room) {
    return { reason: `about ${needs.contextTokens} tokens do not fit its context of ${room}`, kind: "context" };
  }
  return undefined;
}

/**
 * Whether a call that was too long for `failed` may fit here: there is more room of the kind that `field` names, the answer's
 * or the whole context's, or one of the two is not known.
 */
export function hasMoreRoom({ capabilities }: Target, failed: Target, field: string | undefined): boolean {
  const kind = field !== undefined && outputFields.has(field) ? "maxOutputTokens" : "contextTokens";
  const [room, failedRoom] = [capabilities[kind], failed.capabilities[kind]];
  return room === undefined || failedRoom === undefined || room > failedRoom;
}

const outputFields: ReadonlySet<string> = new Set(["max_tokens", "max_completion_tokens", "max_output_tokens"]);
