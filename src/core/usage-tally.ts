import type { CallRequest, ChatEvent, ContentPart, Usage } from "./chat.ts";
import { usageOf } from "./chat.ts";
import { estimateInputTokens, estimateTextTokens } from "./estimate.ts";

/** Counts an answer as it goes by. */
export interface UsageTally {
  add(event: ChatEvent): void;
  /** The last usage the upstream told; undefined where it told none. */
  told(): Usage | undefined;
  /** What was told, else an estimate marked as one. */
  usage(): Usage;
}

/** One tally an attempt. */
export function createUsageTally(request: Readonly<CallRequest>): UsageTally {
  let told: Usage | undefined;
  let characters = 0;
  return {
    add(event) {
      switch (event.case) {
        case "partDelta": {
          const { value } = event.value.delta;
          if (typeof value === "string") characters += value.length;
          break;
        }
        case "usage":
          told = event.value;
          break;
        case "completed":
          told = event.value.usage ?? told;
          break;
        case "whole":
          told = event.value.usage ?? told;
          if (told === undefined)
            for (const choice of event.value.choices) for (const part of choice.message?.content ?? []) characters += partLength(part);
          break;
        case "embedded":
          told = event.value.usage ?? told;
          break;
        case "started":
        case "partStarted":
        case "partEnded":
        case "choiceEnded":
        case "heartbeat":
          break;
        default:
          event satisfies never;
      }
    },
    told: () => told,
    usage() {
      if (told !== undefined) return told;
      const estimate = usageOf(estimateInputTokens(request), estimateTextTokens(characters));
      estimate.estimated = true;
      return estimate;
    },
  };
}

function partLength({ part }: ContentPart): number {
  switch (part.case) {
    case "text":
    case "reasoning":
    case "refusal":
      return part.value.text.length;
    case "toolCall":
      return part.value.name.length + part.value.argumentsJson.length;
    default:
      return 0;
  }
}
