/** What a configuration would do, told without a server: nothing is called, and nothing listens. */
import { create } from "@bufbuild/protobuf";
import type { Loaded } from "./config/load.ts";
import { ChatRequestSchema, message, type PolicyIssue, Role, type RoutingPolicy, textPart } from "./core/chat.ts";
import type { Explanation } from "./core/router.ts";
import { createGateway, type Gateway } from "./gateway.ts";
import { anonymousKey } from "./server/auth.ts";
import { createCallDesk } from "./server/call-desk.ts";
import { wishesFrom } from "./server/wishes.ts";
import { systemClock } from "./stores/system-clock.ts";

/** Problems of a policy, and the revision it would have. */
export function examineOffline(
  loaded: Loaded,
  policy: RoutingPolicy,
): Promise<{ readonly issues: readonly PolicyIssue[]; readonly revision: string }> {
  return withGateway(loaded, ({ policies }) => policies.examine(policy));
}

/** The plan of a short call for a model, by an anonymous caller, as long as everybody is well. */
export function explainOffline(loaded: Loaded, model: string, streamed: boolean): Promise<Explanation> {
  return withGateway(loaded, async ({ router }) => {
    const desk = createCallDesk({ router, clock: systemClock, newId: () => "offline", random: () => 0 });
    const request = create(ChatRequestSchema, { model, messages: [message(Role.USER, [textPart("Hello!")])] });
    const opened = desk.open({
      door: "openai",
      key: anonymousKey,
      request,
      streamed,
      wishes: wishesFrom(() => undefined),
      receivedMs: systemClock.now(),
      id: "offline",
    });
    try {
      return await router.explain(opened.call, undefined);
    } finally {
      opened.close();
    }
  });
}

async function withGateway<T>({ settings }: Loaded, use: (gateway: Gateway) => T | Promise<T>): Promise<T> {
  const unprobed = { ...settings, health: { ...settings.health, probe: "none" as const } };
  const gateway = createGateway({ settings: unprobed, clock: systemClock, random: () => 0, observers: [] });
  try {
    return await use(gateway);
  } finally {
    await gateway.close();
  }
}
