import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { parse } from "yaml";
import { type RoutingPolicy, RoutingPolicySchema } from "../../gen/semaroute/v1/policy_pb.ts";
import { policyFromSettings } from "./policy.ts";
import { policySchema } from "./policy-schema.ts";
import type { Path, Problem } from "./problem.ts";
import { createReport } from "./report.ts";
import { type MapNode, nodeAt, plainFromTree } from "./tree.ts";
import { treeFromYaml } from "./yaml.ts";

/** A policy of its own file, or what is wrong with it. */
export type PolicyFile =
  | { readonly kind: "policy"; readonly policy: RoutingPolicy }
  | { readonly kind: "refused"; readonly problems: readonly Problem[] };

/**
 * A policy as the configuration file writes it (`type`, `config`), alone or under `routing_policy`, or as the API's JSON does. `name` is
 * the file's, for what is wrong.
 */
export function policyFromText(text: string, name: string): PolicyFile {
  const report = createReport(name);
  const tree = treeFromYaml(text, report);
  if (tree === undefined) return { kind: "refused", problems: report.errors() };
  report.lookIn(tree);
  const under: Path = nodeAt(tree, ["routing_policy"]) === undefined ? [] : ["routing_policy"];
  if (nodeAt(tree, [...under, "type"]) === undefined) return fromApi(text, name);
  const inner = nodeAt(tree, under);
  const result = policySchema.safeParse(plainFromTree(inner?.kind === "map" ? inner : tree, () => false));
  if (result.success) return { kind: "policy", policy: policyFromSettings(result.data) };
  for (const issue of result.error.issues) {
    const path = [...under, ...issue.path.map((step) => (typeof step === "number" ? step : String(step)))];
    if (issue.code === "unrecognized_keys") for (const key of issue.keys) report.error([...path, key], "unknown setting", { at: "key" });
    else report.error(placed(tree, path), issue.message);
  }
  return { kind: "refused", problems: report.errors() };
}

/** What is missing has no place; what it is missing from has. */
function placed(tree: MapNode, path: Path): Path {
  return nodeAt(tree, path) === undefined ? path.slice(0, -1) : path;
}

/** YAML contains JSON, so one reader does for both. */
function fromApi(text: string, file: string): PolicyFile {
  try {
    const written: JsonValue = parse(text);
    return { kind: "policy", policy: fromJson(RoutingPolicySchema, written) };
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : "";
    const message = `is neither a policy as the configuration writes it (type, config) nor as the API does: ${why}`;
    return { kind: "refused", problems: [{ path: "", file, message }] };
  }
}
