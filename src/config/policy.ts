import type { Duration } from "@bufbuild/protobuf/wkt";

import type { RoutingPolicy } from "../../gen/semaroute/v1/policy_pb.ts";
import type { PolicySettings } from "./policy-schema.ts";

/** The file's policy as the message that everything else speaks of; fields that the file does not set stay unset. */
export function policyFromSettings(settings: PolicySettings): RoutingPolicy {
  const { shadow } = settings;
  return {
    $typeName: "semaroute.v1.RoutingPolicy",
    name: settings.name ?? settings.type,
    kind: kindFrom(settings),
    ...(shadow !== undefined && { shadow: { $typeName: "semaroute.v1.Shadow", ...shadow } }),
  };
}

function kindFrom(settings: PolicySettings): RoutingPolicy["kind"] {
  switch (settings.type) {
    case "cost_based": {
      const { cost_weight, latency_weight, health_weight, max_first_token } = settings.config;
      return {
        case: "costBased",
        value: {
          $typeName: "semaroute.v1.CostBasedPolicy",
          ...(cost_weight !== undefined && { costWeight: cost_weight }),
          ...(latency_weight !== undefined && { latencyWeight: latency_weight }),
          ...(health_weight !== undefined && { healthWeight: health_weight }),
          ...(max_first_token !== undefined && { maxFirstToken: durationFrom(max_first_token) }),
        },
      };
    }
    case "failover": {
      const { primary_provider, backup_providers, failover_delay } = settings.config;
      return {
        case: "failover",
        value: {
          $typeName: "semaroute.v1.FailoverPolicy",
          primaryProvider: primary_provider,
          backupProviders: [...backup_providers],
          ...(failover_delay !== undefined && { failoverDelay: durationFrom(failover_delay) }),
        },
      };
    }
    case "weighted":
      return { case: "weighted", value: { $typeName: "semaroute.v1.WeightedPolicy", weights: { ...settings.config.weights } } };
    case "latency": {
      const { decay } = settings.config;
      return {
        case: "latency",
        value: { $typeName: "semaroute.v1.LatencyPolicy", ...(decay !== undefined && { decay: durationFrom(decay) }) },
      };
    }
    case "least_busy":
      return { case: "leastBusy", value: { $typeName: "semaroute.v1.LeastBusyPolicy" } };
    case "experiment":
    case "rules":
      return nestingKindFrom(settings);
    default:
      return settings satisfies never;
  }
}

function nestingKindFrom(settings: Extract<PolicySettings, { readonly type: "experiment" | "rules" }>): RoutingPolicy["kind"] {
  if (settings.type === "experiment") {
    const { experiment, unit = "", arms } = settings.config;
    return {
      case: "experiment",
      value: {
        $typeName: "semaroute.v1.ExperimentPolicy",
        experiment,
        unit,
        arms: arms.map(({ name, weight, policy }) => ({
          $typeName: "semaroute.v1.ExperimentArm",
          name,
          weight,
          policy: policyFromSettings(policy),
        })),
      },
    };
  }
  const { rules, otherwise } = settings.config;
  return {
    case: "rules",
    value: {
      $typeName: "semaroute.v1.RulesPolicy",
      rules: rules.map(({ name, when, policy, model = "" }) => ({
        $typeName: "semaroute.v1.Rule",
        name,
        when,
        model,
        ...(policy !== undefined && { policy: policyFromSettings(policy) }),
      })),
      otherwise: policyFromSettings(otherwise),
    },
  };
}

function durationFrom(ms: number): Duration {
  return { $typeName: "google.protobuf.Duration", seconds: BigInt(Math.trunc(ms / 1000)), nanos: (ms % 1000) * 1e6 };
}
