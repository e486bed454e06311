import type { Gateway } from "./gateway.ts";
import type { ProviderGauges } from "./telemetry/gauges.ts";

/** Providers as the metrics show them. Only what is configured becomes a label: callers choose the other names. */
export function providerGauges({ providers, router }: Gateway): ProviderGauges[] {
  const configured = new Set<string>(router.snapshot().catalog.targets.map(({ id }) => id));
  return providers.list().map(({ id }) => {
    const { status, inFlight, targets } = providers.health(id);
    return {
      provider: id,
      health: status,
      inFlight,
      targets: targets.filter(({ model }) => configured.has(`${id}/${model}`)),
    };
  });
}
