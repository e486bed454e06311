import { hash, randomBytes } from "node:crypto";
import type { Clock } from "../core/clock.ts";
import { type Hint, type HintEvent, hintFromText, type HintKind, textFromHint } from "../core/hints.ts";
import type { News } from "../core/news.ts";
import { providerOf } from "./health-members.ts";
import type { WindowHealth } from "./window-health.ts";

/** Tells other replicas what this one found about targets, and hears what they found. */
export interface HintDesk {
  /** Waits for nothing. At most one a second of each kind and target. */
  tell(this: void, hint: Hint): void;
  /** From now on what others tell is taken over. To be called once. */
  listen(health: Pick<WindowHealth, "hear">): void;
}

/** What it needs. */
export interface HintDeskOptions {
  readonly news: News;
  readonly clock: Clock;
  /** Undefined: there is no such provider. */
  readonly accountOf: (provider: string) => Account | undefined;
  /** Counts. */
  readonly count: (event: HintEvent, kind: HintKind | undefined) => void;
}

/** Whom calls of a provider go to, and on whose bill. */
export interface Account {
  readonly host: string;
  /** Told to nobody but as a part of a hash; empty: there is none. */
  readonly credential: string;
}

const channel = "semaroute:health";
/** Under load a target refuses many at once, each with a wait a little longer than the last. Milliseconds. */
const quietMs = 1000;
/** More than there are targets, mostly; who comes beyond is told of as soon as one of these is forgotten. */
const toldMax = 10_000;

/**
 * A hint names its target as the configuration does, and the host and credential behind it by a hash: replicas of two configurations may
 * share one Redis, and what is true of one's account is not of the other's.
 */
export function createHintDesk({ news, clock, accountOf, count }: HintDeskOptions): HintDesk {
  const from = randomBytes(9).toString("base64url");
  /** When each was last told of. */
  const told = new Map<string, number>();
  const isQuiet = (name: string, nowMs: number): boolean => {
    if (nowMs - (told.get(name) ?? Number.NEGATIVE_INFINITY) < quietMs) return true;
    if (told.size >= toldMax) for (const [each, ms] of told) if (nowMs - ms >= quietMs) told.delete(each);
    return told.size >= toldMax;
  };
  const markOf = ({ kind, target }: Hint): string | undefined => {
    const account = accountOf(providerOf(target));
    return account && hash("sha256", JSON.stringify([account.host, isOfHost(kind) ? "" : account.credential]), "base64url").slice(0, 22);
  };
  return {
    tell(hint) {
      const nowMs = clock.now();
      const name = `${hint.kind} ${hint.target}`;
      const mark = markOf(hint);
      if (mark === undefined || isQuiet(name, nowMs)) return;
      told.set(name, nowMs);
      news.tell(channel, textFromHint({ ...hint, from, mark }));
      count("told", hint.kind);
    },
    listen(health) {
      news.listen(channel, {
        said(text) {
          const hint = hintFromText(text);
          if (hint === undefined) return count("malformed", undefined);
          if (hint.from === from) return;
          const event = hint.mark === markOf(hint) ? health.hear(hint) : "foreign";
          count(event, hint.kind);
        },
        // What was not heard this replica finds out for itself.
        missed: () => undefined,
      });
    },
  };
}

/** Whoever is down, or up again, is so for every credential. */
function isOfHost(kind: HintKind): boolean {
  return kind === "failing" || kind === "recovered";
}
