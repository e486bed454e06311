import { Code, type ServiceImpl } from "@connectrpc/connect";

import { type Health, HealthCheckResponse_ServingStatus as Serving } from "../../../gen/grpc/health/v1/health_pb.ts";
import type { Clock } from "../../core/clock.ts";
import type { ProviderDesk } from "../../core/operations.ts";
import { ChatError } from "../../core/error.ts";
import { connectErrorFrom, createRefusal } from "../errors.ts";
import { canRoute, canServe } from "../readiness.ts";
import { collectChanges } from "./changes.ts";
import { openedKey } from "./context.ts";
import { abortError, requestIdKey } from "./error-details.ts";

/** What grpc.health.v1 looks at. */
export interface HealthServiceOptions {
  readonly providers: ProviderDesk;
  /** Aborts when the server begins to go away; from then on nothing is serving. */
  readonly draining: AbortSignal;
  readonly clock: Pick<Clock, "wall">;
}

const providerPrefix = "provider/";

/**
 * "" and the RouterService serve when something can be routed, the AdminService whenever it answers, and `provider/NAME`
 * when calls may go there.
 */
export function healthService({ providers, draining, clock }: HealthServiceOptions): ServiceImpl<typeof Health> {
  const routing = (): boolean => canRoute(providers, clock.wall());
  const services: ReadonlyMap<string, () => boolean> = new Map([
    ["", routing],
    ["semaroute.v1.RouterService", routing],
    ["semaroute.v1.AdminService", () => true],
  ]);
  /** Undefined: no such service. */
  const serves = (name: string): boolean | undefined => {
    const service = services.get(name);
    if (service !== undefined) return service();
    const provider = name.startsWith(providerPrefix) ? providers.find(name.slice(providerPrefix.length)) : undefined;
    return provider && canServe(provider, providers.health(provider.id), clock.wall());
  };
  const statusOf = (name: string): Serving => {
    const serving = serves(name);
    if (serving === undefined) return Serving.SERVICE_UNKNOWN;
    return serving && !draining.aborted ? Serving.SERVING : Serving.NOT_SERVING;
  };
  const watchAll = (listener: (name: string) => void): (() => void) => {
    const onDrain = (): void => listener("");
    draining.addEventListener("abort", onDrain, { once: true });
    const unsubscribe = providers.watch(listener);
    return () => {
      draining.removeEventListener("abort", onDrain);
      unsubscribe();
    };
  };

  return {
    check({ service }) {
      const status = statusOf(service);
      if (status === Serving.SERVICE_UNKNOWN)
        throw createRefusal({ code: Code.NotFound, reason: "SERVICE_NOT_FOUND", text: "no service of this name" });
      return { status };
    },
    list() {
      const names = [...services.keys(), ...providers.list().map(({ id }) => providerPrefix + id)];
      return { statuses: Object.fromEntries(names.map((name) => [name, { status: statusOf(name) }])) };
    },
    async *watch({ service }, context) {
      const requestId = context.values.get(requestIdKey);
      const changes = collectChanges(watchAll, context.signal);
      try {
        context.values.set(openedKey, true);
        let told: Serving | undefined;
        do {
          // The last word of a server that goes away is its new status, and behind it the stream's end.
          const leaving = draining.aborted;
          const status = statusOf(service);
          if (status !== told) yield { status };
          if (leaving) throw connectErrorFrom(new ChatError("DRAINING", "this replica is going away"), { requestId });
          told = status;
        } while ((await changes.next()) !== undefined);
        throw abortError(context);
      } finally {
        changes.close();
      }
    },
  };
}
