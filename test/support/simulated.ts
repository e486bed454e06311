import type { ProviderEvent } from "../../src/core/provider.ts";
import { createSimulatedProvider, type SimulatedOptions } from "../../src/providers/simulated.ts";
import { createFakeClock } from "./fake-clock.ts";

/** A provider that answers at once. */
export function simulated(more: Partial<SimulatedOptions> = {}) {
  const clock = createFakeClock();
  const options: SimulatedOptions = {
    name: "sim",
    models: ["sim-chat", "sim-embed"],
    firstTokenMs: 0,
    tokensPerSecond: 0,
    reply: { kind: "echo" },
    failureRatio: 0,
    failure: "500",
    seed: 1,
    clock,
    ...more,
  };
  return { clock, provider: createSimulatedProvider(options) };
}

/** What was read. */
export type Batches = readonly (readonly ProviderEvent[])[];

/** Reads to the end, and tells what broke it. */
export async function read(events: AsyncIterator<readonly ProviderEvent[]>): Promise<{ batches: Batches; error: unknown }> {
  const batches: (readonly ProviderEvent[])[] = [];
  try {
    for (let step = await events.next(); step.done !== true; step = await events.next()) batches.push(step.value);
    return { batches, error: undefined };
  } catch (error) {
    return { batches, error };
  }
}

/** Until everything that can run without time passing has run. */
export const settled = () => new Promise((resolve) => setImmediate(resolve));

/** The text in a batch, token by token. */
export const texts = (batch: readonly ProviderEvent[] | undefined) =>
  batch?.flatMap((event) => (event.case === "partDelta" && event.value.delta.case === "text" ? [event.value.delta.value] : []));
