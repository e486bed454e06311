import type { Settings } from "../config/schema.ts";
import type { Clock } from "../core/clock.ts";
import type { News } from "../core/news.ts";
import { createHintDesk, type HintDeskOptions } from "../stores/hint-desk.ts";
import { createWindowHealth, type WindowHealth, type WindowHealthOptions } from "../stores/window-health.ts";
import { breakerOptionsFrom } from "./options.ts";

/** What it is made from. */
export interface SharedHealthParts extends Pick<WindowHealthOptions, "onCredential"> {
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** Undefined: this process is alone. */
  readonly news: News | undefined;
  /** See `HintDeskOptions`. */
  readonly accountOf: HintDeskOptions["accountOf"];
  /** Counts hints. */
  readonly count: HintDeskOptions["count"];
}

/** Health of this process's targets; with news, replicas tell each other what they find. */
export function createSharedHealth(settings: Settings, { news, accountOf, count, ...parts }: SharedHealthParts): WindowHealth {
  const desk = news && createHintDesk({ news, clock: parts.clock, accountOf, count });
  const health = createWindowHealth({ ...parts, breaker: breakerOptionsFrom(settings), onFinding: desk?.tell });
  desk?.listen(health);
  return health;
}
