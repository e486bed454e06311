/** What a look for similar questions takes of the event loop, in a partition that is full. `node bench/similar.ts` */
import type { KeyId } from "../src/core/call.ts";
import type { TargetId } from "../src/core/catalog.ts";
import { type Direction, normalized } from "../src/core/similar.ts";
import { createSimilarStore } from "../src/stores/similar-answers.ts";
import { systemClock } from "../src/stores/system-clock.ts";
import { chatTarget } from "../test/support/attempt.ts";

const looks = 1000;
const partition = { tenant: "cfg_a" as KeyId, requestHash: "h" };
const reply = { target: chatTarget(), batches: [], bytes: 1000 };
const print = (line: string): void => void process.stdout.write(`${line}\n`);

let texts = 0;
function anyDirection(dimensions: number): Direction {
  const vector = normalized(Array.from({ length: dimensions }, () => Math.random() - 0.5));
  if (vector === undefined) throw new Error("no direction");
  return { target: "up/vectors" as TargetId, vector, textHash: String(texts++) };
}

print("| dimensions | questions | look, p50 | p99 |\n|---|---|---|---|");
for (const dimensions of [256, 1024, 1536, 3072]) {
  const questions = Math.floor((512 * 1024) / dimensions);
  const store = createSimilarStore({ maxBytes: 2 ** 30, ttlMs: 3_600_000, clock: systemClock, random: Math.random });
  for (let i = 0; i < questions; i++) store.keep(partition, anyDirection(dimensions), { reply, sinceMs: systemClock.now() });
  const asked = Array.from({ length: looks }, () => anyDirection(dimensions));
  const times: number[] = [];
  for (const each of [...asked, ...asked]) {
    const startMs = performance.now();
    store.find(partition, each, 0.95);
    times.push(performance.now() - startMs);
  }
  const warm = times.slice(looks).toSorted((a, b) => a - b);
  const at = (share: number): string => `${(warm[Math.floor(share * (looks - 1))] ?? Number.NaN).toFixed(2)} ms`;
  print(`| ${dimensions} | ${questions} | ${at(0.5)} | ${at(0.99)} |`);
}
