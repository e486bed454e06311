import { describe, expect, test } from "vitest";

import type { EmbedRequest } from "../../src/core/chat.ts";
import type { SimulatedOptions } from "../../src/providers/simulated.ts";
import { attemptOf, embedRequest, embedTarget } from "../support/attempt.ts";
import { read, settled, simulated } from "../support/simulated.ts";

const attempt = (request: EmbedRequest) => attemptOf(request, { target: embedTarget(), streamed: false });

async function embed(request: EmbedRequest, more: Partial<SimulatedOptions> = {}) {
  const { batches, error } = await read(simulated(more).provider.chat(attempt(request)));
  if (error !== undefined) throw error;
  const last = batches.at(-1)?.at(-1);
  if (last?.case !== "embedded") throw new Error("no vectors came");
  return { vectors: last.value.embeddings.map(({ values }) => values), response: last.value };
}

const product = (a: readonly number[] = [], b: readonly number[] = []) => a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);

describe("a simulated embedding", () => {
  test("is a vector of length 1, of as many numbers as were asked for", async () => {
    for (const dimensions of [undefined, 1, 2, 7, 1536, 4096]) {
      const { vectors } = await embed(embedRequest(["hello there", "a", " ", "\u{1F9A6}", [1, 2, 3]], { dimensions }));
      for (const vector of vectors) {
        expect(vector).toHaveLength(dimensions ?? 256);
        expect(product(vector, vector)).toBeCloseTo(1, 5);
        expect(vector).toEqual(vector.map(Math.fround));
      }
    }
  });

  test("is the same for the same input, whoever embeds it and beside whatever", async () => {
    const alone = await embed(embedRequest(["one", [1, 2]]), { name: "a", seed: 1 });
    const beside = await embed(embedRequest(["two", "one", [1, 2]]), { name: "b", seed: 2 });
    expect(beside.vectors.slice(1)).toEqual(alone.vectors);
  });

  test("tells texts apart, and is near for those that share words", async () => {
    const texts = ["the capital of France", "the capital of Spain", "seventeen blue otters swim", "of France the capital", "x", [1], [2]];
    const { vectors } = await embed(embedRequest(texts));
    expect(new Set(vectors.map((vector) => vector.join())).size).toBe(texts.length);
    const [france, spain, otters] = vectors;
    expect(product(france, spain)).toBeGreaterThan(0.5);
    expect(Math.abs(product(france, otters))).toBeLessThan(0.3);
  });

  test("counts what was embedded, and nothing that it put out", async () => {
    const { response } = await embed(embedRequest(["one two three", [1, 2, 3, 4]]));
    expect(response.usage).toMatchObject({ inputTokens: 7, outputTokens: 0, totalTokens: 7 });
  });

  test("of more numbers than any model has is refused", async () => {
    const refused = expect.objectContaining({ failure: "INVALID_REQUEST", field: "dimensions" });
    await expect(embed(embedRequest(["a"], { dimensions: 4097 }))).rejects.toEqual(refused);
  });

  test("comes after the time to the first token", async () => {
    const { clock, provider } = simulated({ firstTokenMs: 50 });
    const reading = read(provider.chat(attempt(embedRequest(["a"]))));
    let over = false;
    void reading.then(() => (over = true));
    await settled();
    clock.advance(49);
    await settled();
    expect(over).toBe(false);
    clock.advance(1);
    expect((await reading).batches.flat().map((event) => event.case)).toEqual(["head", "embedded"]);
  });

  test("tells that tasks are all alike to it", async () => {
    const request = embedRequest(["a"], { taskType: "search_query" });
    expect(simulated().provider.translator?.notes(request, embedTarget(), false)).toMatchObject([{ field: "task_type" }]);
  });

  for (const { failure, expected } of [
    { failure: "500", expected: "UPSTREAM_UNAVAILABLE" },
    { failure: "429", expected: "RATE_LIMITED" },
    { failure: "reset", expected: "UPSTREAM_UNAVAILABLE" },
    { failure: "truncate", expected: "UPSTREAM_UNAVAILABLE" },
  ] as const) {
    test(`fails by ${failure} as it is told to`, async () => {
      await expect(embed(embedRequest(["a"]), { failureRatio: 1, failure })).rejects.toMatchObject({ failure: expected });
    });
  }
});
