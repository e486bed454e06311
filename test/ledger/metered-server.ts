import type { Meter } from "./meter.ts";

/** A configuration in which two vendors serve the same models and a third one gets copies; everything that can be retried is. */
export function meteredConfig([first, second, copies]: readonly Meter[], hedged: boolean): string {
  const prices = "input_price: 2, output_price: 8, cached_input_price: 0.5";
  const provider = (meter: Meter | undefined, models: string): string =>
    meter === undefined ? "" : `  ${meter.name}: {type: openai_compatible, base_url: "${meter.url}/v1", api_key: k, models: [${models}]}\n`;
  const both = `{id: m, ${prices}}, {id: e, kind: embedding, ${prices}}`;
  return `
admin: {token: secret}
providers:
${provider(first, both)}${provider(second, both)}${provider(copies, `{id: copy, ${prices}}`)}
routing_policy:
  type: failover
  config: {primary_provider: ${first?.name}, backup_providers: [${second?.name}]}
  shadow: {target: ${copies?.name}/copy, share: 0.1}
resilience:
  retry: {base_delay: 5ms, max_delay: 20ms, budget: 1}
  circuit_breaker: {consecutive_failures: 1000, failure_ratio: 1, min_calls: 100000}
  timeouts: {connect: 2s, first_token: 3s, idle: 3s, total: 10s}
  hedge: {enabled: ${hedged}, percentile: 90, max_extra_cost_ratio: 1}
health: {probe: none}
`;
}
