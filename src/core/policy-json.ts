import { type JsonValue, toJson } from "@bufbuild/protobuf";
import { type RoutingPolicy, RoutingPolicySchema } from "./chat.ts";

/** A policy as the API writes it in JSON. */
export function policyJson(policy: RoutingPolicy): JsonValue {
  return toJson(RoutingPolicySchema, policy);
}
