import { type Reasoning, ReasoningEffort, ReasoningSummary } from "../../core/chat.ts";
import type { ThinkingWords } from "../../core/claude-thinking.ts";
import { type Fields, isJsonObject } from "./fields.ts";

const efforts: ReadonlyMap<string, ReasoningEffort> = new Map([
  ["low", ReasoningEffort.LOW],
  ["medium", ReasoningEffort.MEDIUM],
  ["high", ReasoningEffort.HIGH],
  ["xhigh", ReasoningEffort.XHIGH],
  ["max", ReasoningEffort.MAX],
]);

/** The neutral wish behind the words; undefined where there is none. */
export function reasoningFromWords({ thinking, effort }: ThinkingWords): Reasoning | undefined {
  const wished = (effort === undefined ? undefined : efforts.get(effort)) ?? ReasoningEffort.UNSPECIFIED;
  const wish = (more: Partial<Reasoning>): Reasoning => ({
    $typeName: "semaroute.v1.Reasoning",
    effort: wished,
    summary: summaryOf(thinking),
    ...more,
  });
  switch (thinking?.["type"]) {
    case "disabled":
    case "between_tools":
      return wish({ effort: ReasoningEffort.NONE, summary: ReasoningSummary.UNSPECIFIED });
    case "enabled": {
      const budget = thinking["budget_tokens"];
      return wish(typeof budget === "number" ? { budgetTokens: budget } : {});
    }
    case "adaptive":
      return wish({});
    default:
      return wished === ReasoningEffort.UNSPECIFIED ? undefined : wish({ summary: ReasoningSummary.UNSPECIFIED });
  }
}

function summaryOf(thinking: Fields | undefined): ReasoningSummary {
  if (thinking?.["display"] === "summarized") return ReasoningSummary.AUTO;
  return thinking?.["display"] === "omitted" ? ReasoningSummary.OMITTED : ReasoningSummary.UNSPECIFIED;
}

/** The words in a request's extension; undefined where it has none. */
export function wordsIn(extension: Fields | undefined): ThinkingWords | undefined {
  const thinking = extension?.["thinking"];
  const config = extension?.["output_config"];
  const effort = isJsonObject(config) ? config["effort"] : undefined;
  if (!isJsonObject(thinking) && typeof effort !== "string") return undefined;
  return { thinking: isJsonObject(thinking) ? thinking : undefined, effort: typeof effort === "string" ? effort : undefined };
}

/** Whether words say what the request says; then they are its exact form, and not a second wish beside it. */
export function isSaidBy(words: ThinkingWords, reasoning: Reasoning | undefined): boolean {
  const said = reasoningFromWords(words);
  return said?.effort === reasoning?.effort && said?.budgetTokens === reasoning?.budgetTokens && said?.summary === reasoning?.summary;
}

const thinkingKnown: ReadonlySet<string> = new Set(["type", "budget_tokens", "display"]);

/** A request's extension without the words; what else stood in their objects stays. */
export function withoutWords(extension: Fields): Fields {
  const { thinking, output_config: config, ...rest } = extension;
  const thinkingRest = remaining(thinking, thinkingKnown);
  const configRest = remaining(config, new Set(["effort"]));
  if (thinkingRest !== undefined) rest["thinking"] = thinkingRest;
  if (configRest !== undefined) rest["output_config"] = configRest;
  return rest;
}

function remaining(object: unknown, known: ReadonlySet<string>): Fields | undefined {
  if (!isJsonObject(object)) return undefined;
  const entries = Object.entries(object).filter(([key]) => !known.has(key));
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}
