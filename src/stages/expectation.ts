import type { Affinity, Holding } from "../core/affinity.ts";
import type { Call } from "../core/call.ts";
import type { Target } from "../core/catalog.ts";
import { type CacheControl, isEmbedRequest } from "../core/chat.ts";
import { estimateInputTokens } from "../core/estimate.ts";
import type { OutputForecasts } from "../core/forecast.ts";
import type { Expectation, Holder } from "../core/policy.ts";
import { type Conversation, derivedConversation, namedConversation, promptTokensMin } from "./conversation.ts";
import type { Needs } from "./needs.ts";

/** Output assumed of an answer that nothing is known about; tokens. */
const outputTokensAssumed = 512;

/** A vendor keeps a prompt for at least that long once it is told to keep it for an hour; seconds. */
const hourSeconds = 1800;

/** What finished calls have taught; each may be absent, and then nothing is known. */
export interface Memory {
  readonly affinity?: Affinity;
  readonly forecasts?: OutputForecasts;
}

/** What a call is expected to be at each of its targets. */
export interface Outlook {
  /** Its counts at a target. */
  at(target: Target): Expectation;
  /** Undefined: the call is part of none, or its targets do not care. */
  readonly conversation: Conversation | undefined;
  readonly holder: Holder | undefined;
}

/** Asks what was learned once for all targets of a call, and what is dear to find out only where a price depends on it. */
export function outlookOf(call: Call, needs: Needs, { affinity, forecasts }: Memory): Outlook {
  const { request, key } = call;
  const { inputTokens } = needs;
  const forecast = isEmbedRequest(request) ? undefined : forecasts?.find(key.id, request.model);
  let conversation = namedConversation(call);
  let holding: Holding | undefined = conversation && affinity?.find(conversation.id);
  let derived = conversation !== undefined;
  const derive = (): void => {
    derived = true;
    conversation = derivedConversation(call, inputTokens);
    holding = conversation && affinity?.find(conversation.id);
  };
  let marks: Marks | undefined;

  const outputTokens = ({ model, capabilities }: Target): number => {
    const usual = forecast?.of(model) ?? forecast?.tokens ?? outputTokensAssumed;
    const most = Math.min(needs.outputTokensMax ?? usual, capabilities.maxOutputTokens ?? usual);
    return Math.round(Math.min(usual, most)) * needs.choices;
  };

  return {
    at(target) {
      const { price } = target;
      let cacheReadTokens = 0;
      let cacheWriteTokens = 0;
      let forAnHour = false;
      if (price !== undefined && (price.cacheRead !== undefined || price.cacheWrite !== undefined)) {
        if (!derived) derive();
        const isMarked = target.promptCache?.keeps === "marked";
        if (isMarked) marks ??= marksOf(call);
        const cacheable = isMarked ? (marks?.tokens ?? 0) : inputTokens;
        const held = holding?.target === target.id ? Math.min(holding.tokens, cacheable) : 0;
        if (price.cacheRead !== undefined) cacheReadTokens = held;
        if (price.cacheWrite !== undefined && cacheable >= promptTokensMin) cacheWriteTokens = cacheable - held;
        forAnHour = isMarked && marks?.hour === true;
      }
      return {
        inputTokens,
        outputTokens: outputTokens(target),
        cacheReadTokens,
        cacheWriteTokens,
        cacheWriteHourTokens: forAnHour ? cacheWriteTokens : 0,
      };
    },
    get conversation() {
      return conversation;
    },
    get holder() {
      return holding && conversation && { ...holding, named: conversation.named };
    },
  };
}

/** What a request marks to be kept. */
interface Marks {
  /** Up to the last mark. */
  readonly tokens: number;
  /** For an hour. */
  readonly hour: boolean;
}

function marksOf({ request }: Call): Marks {
  if (isEmbedRequest(request)) return { tokens: 0, hour: false };
  let hour = false;
  const sees = (control: CacheControl | undefined): boolean => {
    hour ||= Number(control?.ttl?.seconds ?? 0n) > hourSeconds;
    return control !== undefined;
  };
  let marked = request.tools.some(({ cacheControl }) => sees(cacheControl)) ? 0 : -1;
  request.messages.forEach(({ content }, index) => {
    for (const { cacheControl } of content) if (sees(cacheControl)) marked = index + 1;
  });
  if (marked < 0) return { tokens: 0, hour };
  return { tokens: estimateInputTokens({ ...request, messages: request.messages.slice(0, marked) }), hour };
}
