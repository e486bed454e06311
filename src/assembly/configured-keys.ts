import type { Settings } from "../config/schema.ts";
import type { Problem } from "../config/problem.ts";
import type { Key, KeyId, KeyLimits } from "../core/call.ts";
import { Priority } from "../core/chat.ts";
import type { IssuedKeys } from "../core/keys.ts";
import type { Secret } from "../core/secret.ts";
import { digestOf } from "../stores/key-secrets.ts";

/** The configuration's keys, in its order. */
export function keysFrom({ auth }: Pick<Settings, "auth">): (Key & { readonly secret: Secret })[] {
  return auth.keys.map(({ name, key, models, priority, limits }) => ({
    id: idOf(name),
    name,
    secret: key,
    models: models.length === 0 ? undefined : new Set(models),
    priority: priorities[priority],
    limits: limitsFrom(limits),
  }));
}

/** Keys of the configuration whose secret was issued to somebody else, revoked or not. */
export function issuedTwice({ auth }: Pick<Settings, "auth">, issued: Pick<IssuedKeys, "standing">): readonly Problem[] {
  return auth.keys.flatMap(({ key }, index) => {
    const standing = issued.standing(digestOf(key.reveal()));
    if (standing === undefined) return [];
    return [{ path: `auth.keys[${index}].key`, message: `is the secret of ${standing.key.id}, a key that was issued` }];
  });
}

function idOf(name: string): KeyId {
  // The one place where this brand is made up for keys of the configuration.
  return `cfg_${name}` as KeyId;
}

const priorities = { low: Priority.LOW, normal: Priority.NORMAL, high: Priority.HIGH } as const;

/** Undefined: none, so that nobody looks any further. */
function limitsFrom(limits: Settings["auth"]["keys"][number]["limits"]): KeyLimits | undefined {
  const { requests_per_minute, tokens_per_minute, concurrent_calls, budget_usd } = limits;
  if (requests_per_minute + tokens_per_minute + concurrent_calls + budget_usd === 0) return undefined;
  return {
    requestsPerMinute: requests_per_minute,
    tokensPerMinute: tokens_per_minute,
    concurrentCalls: concurrent_calls,
    // A budget below a millionth of a dollar is one, and not none.
    budgetMicroUsd: budget_usd === 0 ? 0 : Math.max(1, Math.round(budget_usd * 1e6)),
    budgetPeriod: limits.budget_period,
  };
}
