const hourMs = 3_600_000;

/** What is the matter with every target of a provider. */
export interface Trouble {
  /** Connections are refused. */
  readonly isDown?: true;
  /** Times so long to the first token and between tokens. */
  readonly slowness?: number;
  /** Of calls that fail with 500 in the time of an answer. */
  readonly failing?: number;
  /** Of calls that are refused within 3 ms, and with which status. */
  readonly refusing?: { readonly share: number; readonly status: 429 | 503 };
  /** Times the price; the vendor's list, which the router looks up, says so from the same moment. */
  readonly dearer?: number;
}

/** A stretch of a day in which something happens to the cheapest provider; the same calls come under every policy. */
export interface Scene {
  readonly name: string;
  readonly title: string;
  /** Of the day in UTC. */
  readonly fromHour: number;
  readonly untilHour: number;
  /** Undefined: nothing happens. */
  readonly trouble: (Trouble & { readonly fromHour: number; readonly untilHour: number }) | undefined;
}

const stretch = { fromHour: 12.5, untilHour: 15 };
const hour = { fromHour: 13, untilHour: 14 };

/** In the order in which they are shown. */
export const scenes: readonly Scene[] = [
  { name: "calm", title: "A calm day", fromHour: 0, untilHour: 24, trouble: undefined },
  { name: "outage", title: "Outage", ...stretch, trouble: { ...hour, isDown: true } },
  { name: "brown-out", title: "Brown-out", ...stretch, trouble: { ...hour, slowness: 10, failing: 0.2 } },
  { name: "fast-429", title: "Fast 429", ...stretch, trouble: { ...hour, refusing: { share: 0.9, status: 429 } } },
  { name: "fast-503", title: "Fast 503", ...stretch, trouble: { ...hour, refusing: { share: 0.9, status: 503 } } },
  { name: "price", title: "Price change", ...stretch, trouble: { ...hour, dearer: 3 } },
];

const well: Trouble = {};

/** What is the matter so long after the beginning of the run. */
export function troubleAt({ fromHour, trouble }: Scene, nowMs: number): Trouble {
  if (trouble === undefined) return well;
  const hourNow = fromHour + nowMs / hourMs;
  return hourNow >= trouble.fromHour && hourNow < trouble.untilHour ? trouble : well;
}
