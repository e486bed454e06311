import { LRUCache } from "lru-cache";
import type { AnswerSizes } from "../core/limits.ts";

/** Keys times the models they ask for, and targets, that are remembered. */
const entriesMax = 10_000;
/** The longest answer counts so much less with every shorter one. */
const fade = 0.98;
/** Weight of the newest answer's ratio. */
const weight = 0.25;
/** Beyond that, what was told cannot be the price of what came. */
const ratioMin = 0.1;
const ratioMax = 10;

/** For keys that have limits, in this process. */
export function createAnswerSizes(): AnswerSizes {
  const longest = new LRUCache<string, number>({ max: entriesMax });
  const ratios = new LRUCache<string, number>({ max: entriesMax });
  return {
    longest: (key, asked) => longest.get(`${key} ${asked}`),
    correction: (target) => ratios.get(target) ?? 1,
    learn({ key, asked, target, tokens, ratio }) {
      const name = `${key} ${asked}`;
      longest.set(name, Math.max(tokens, (longest.get(name) ?? 0) * fade));
      if (ratio === undefined || !Number.isFinite(ratio)) return;
      const bounded = Math.min(ratioMax, Math.max(ratioMin, ratio));
      const before = ratios.get(target);
      ratios.set(target, before === undefined ? bounded : before + (bounded - before) * weight);
    },
  };
}
