import type { KeyId, Snapshot } from "../core/call.ts";
import type { Target } from "../core/catalog.ts";
import { ProviderState } from "../core/chat.ts";
import type { Clock } from "../core/clock.ts";
import type { HealthTracker } from "../core/health.ts";
import type { CallFacts } from "../core/policy.ts";
import { approximateMicroUsd } from "../core/price.ts";
import type { ModelMoment } from "./models.ts";

/** What the order of an alias's targets is told for. */
const ordinaryCall = { inputTokens: 1000, outputTokens: 500 };

/** A call of no caller, with nothing in it that a policy could look at. */
const nobody = {
  streamed: true,
  hasTools: false,
  hasImages: false,
  key: { id: "anonymous" as KeyId, name: "anonymous" },
  tags: {},
  affinityKey: "",
  endUserId: "",
  seed: 0,
} as const;

/** What it is found from. */
export interface MomentParts {
  readonly snapshot: Snapshot;
  readonly createdWall: number;
  readonly health: Pick<HealthTracker, "view" | "load">;
  readonly clock: Clock;
  readonly stateOf: (provider: string) => ProviderState;
}

/** Now: who can be called, by the operator's word and by what is known of the target; and in which order, by the active policy. */
export function modelMoment({ snapshot, createdWall, health, clock, stateOf }: MomentParts): ModelMoment {
  return {
    createdWall,
    canServe({ id, provider }) {
      if (stateOf(provider) !== ProviderState.ENABLED) return false;
      const { lockedUntilMs, openUntilMs, coolingUntilMs } = health.view(id);
      return lockedUntilMs === 0 && openUntilMs === 0 && coolingUntilMs === 0;
    },
    inOrder(name, targets) {
      const facts: CallFacts = {
        ...nobody,
        model: name,
        inputTokens: ordinaryCall.inputTokens,
        hour: new Date(clock.wall()).getUTCHours(),
        nowMs: clock.now(),
      };
      const candidates = targets.map((target: Target) => ({
        target,
        health: health.view(target.id),
        costMicroUsd: target.price && approximateMicroUsd(target.price, ordinaryCall),
        load: health.load(target.id),
      }));
      return snapshot.policy.rank(facts, candidates).order.map(({ candidate }) => candidate.target);
    },
  };
}
