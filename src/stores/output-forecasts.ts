import { LRUCache } from "lru-cache";

import type { Clock } from "../core/clock.ts";
import type { OutputForecast, OutputForecasts } from "../core/forecast.ts";
import { hashText } from "../core/text-hash.ts";

const forecastsMax = 10_000;
/** Models that wrote for one pair of key and model; `auto` may have many. */
const writersMax = 32;
/** What nobody asked for that long is forgotten. */
const ttlMs = 24 * 3_600_000;
/** The least weight of a new sample; the first ones weigh as much as each before them. */
const shareMin = 0.1;

/** Of this process's memory. A mean, for costs add up in means, in which old answers fade. */
export function createOutputForecasts(clock: Clock, max = forecastsMax): OutputForecasts {
  const lessons = new LRUCache<string, Lesson>({ max, ttl: ttlMs, perf: { now: () => clock.now() + 1 }, ttlResolution: 0 });
  return {
    find: (key, asked) => lessons.get(nameOf(key, asked)),
    learn({ key, asked, writer, tokens, cut }) {
      if (!Number.isFinite(tokens) || tokens < 0) return;
      const name = nameOf(key, asked);
      const lesson = lessons.get(name) ?? new Lesson();
      lesson.add(writer, tokens, cut);
      lessons.set(name, lesson);
    },
  };
}

/** Callers choose the names, which may be long; two that share a hash share a forecast. */
function nameOf(key: string, asked: string): string {
  return hashText(`${key}\n${asked}`);
}

class Lesson implements OutputForecast {
  readonly #all = new Mean();
  readonly #writers = new Map<string, Mean>();

  get tokens(): number {
    return this.#all.value;
  }

  of(writer: string): number | undefined {
    return this.#writers.get(writer)?.value;
  }

  add(writer: string, tokens: number, cut: boolean): void {
    this.#all.add(tokens, cut);
    const known = this.#writers.get(writer);
    if (known === undefined && this.#writers.size >= writersMax) return;
    const mean = known ?? new Mean();
    mean.add(tokens, cut);
    this.#writers.set(writer, mean);
  }
}

/** The mean of a few, and of many a mean in which older ones fade. */
class Mean {
  value = 0;
  #samples = 0;

  /** An answer that was cut says nothing of a mean it does not reach. */
  add(sample: number, cut: boolean): void {
    if (cut && this.#samples > 0 && sample <= this.value) return;
    this.#samples++;
    this.value += (sample - this.value) * Math.max(1 / this.#samples, shareMin);
  }
}
