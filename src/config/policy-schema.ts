import { z } from "zod";

import { patternForm } from "./forms.ts";
import { choice, duration, list, named, number, scalar, section, text, whole } from "./values.ts";

/** All kinds of the API. */
export const policyKinds = ["cost_based", "failover", "weighted", "latency", "least_busy", "experiment", "rules"] as const;

/** How targets are ordered, as the file says it. */
export type PolicySettings = PolicyHead & PolicyBody;

/** What every kind has. */
export interface PolicyHead {
  /** Default: the kind's name. */
  readonly name?: string | undefined;
  /** A copy of some calls for another target; default: none. */
  readonly shadow?: z.output<typeof shadowSchema> | undefined;
}

/** What hangs on the kind. */
export type PolicyBody =
  | { readonly type: "cost_based"; readonly config: z.output<typeof costBasedSchema> }
  | { readonly type: "failover"; readonly config: z.output<typeof failoverSchema> }
  | { readonly type: "weighted"; readonly config: z.output<typeof weightedSchema> }
  | { readonly type: "latency"; readonly config: z.output<typeof latencySchema> }
  | { readonly type: "least_busy"; readonly config: Readonly<Record<string, never>> }
  | { readonly type: "experiment"; readonly config: ExperimentSettings }
  | { readonly type: "rules"; readonly config: RulesSettings };

/** Callers are dealt to arms. */
export interface ExperimentSettings {
  readonly experiment: string;
  /** What is hashed: `affinity_key`, `end_user_id`, `key`, `tag:NAME`. Default: the first. */
  readonly unit?: string | undefined;
  /** At least two. */
  readonly arms: readonly { readonly name: string; readonly weight: number; readonly policy: PolicySettings }[];
}

/** The first rule that holds decides. */
export interface RulesSettings {
  readonly rules: readonly RuleSettings[];
  readonly otherwise: PolicySettings;
}

/** A condition and what follows from it. */
export interface RuleSettings {
  readonly name: string;
  /** CEL. */
  readonly when: string;
  /** Default: `otherwise` of the rules. */
  readonly policy?: PolicySettings | undefined;
  /** Default: the model asked for. */
  readonly model?: string | undefined;
}

const weight = (fallback: number) =>
  number(0, Infinity).optional().describe(`Weight of that part of the score; all are made to sum to 1. Default: ${fallback}.`);

const shadowSchema = section({
  target: text().describe("provider/model that gets the copies."),
  share: number(0, 1).describe("Share of the calls."),
});

const costBasedSchema = section({
  cost_weight: weight(0.6),
  latency_weight: weight(0.3),
  health_weight: weight(0.1),
  max_first_token: duration().optional().describe("Targets above it come last. Default: no bound."),
});

const failoverSchema = section({
  primary_provider: text().describe("Name of the provider that is asked first."),
  backup_providers: list(text()).default([]).describe("Names of the providers that stand in, in order."),
  failover_delay: duration().optional().describe("How long a primary that failed is left alone. Default: 30s."),
});

const weightedSchema = section({
  weights: named(whole(0, 2 ** 32 - 1))
    .default({})
    .describe("Provider to weight; shares of calls go by them."),
});

const latencySchema = section({
  decay: duration().optional().describe("Time constant of the mean. Default: 10s."),
});

/** `{type, config, name, shadow}`; what `config` may hold hangs on `type`. */
export const policySchema: z.ZodType<PolicySettings> = z.unknown().transform(policyFrom);

/** What every policy may say. */
export const policyHead = section({
  type: choice(policyKinds).default("cost_based").describe("How targets are ordered."),
  name: text()
    .refine((name) => name.length <= 64, { error: "expected at most 64 characters" })
    .meta({ maxLength: 64 })
    .optional()
    .describe("Default: the type."),
  shadow: shadowSchema.optional().describe("Copies of a share of the calls for another target; the answers are thrown away."),
  config: z.unknown().optional().describe("What the type can be told."),
});

const unitExpected = "affinity_key, end_user_id, key or tag:NAME";
const unitText = /^(?:affinity_key|end_user_id|key|tag:.+)$/;

const experimentSchema = section({
  experiment: text().describe("Its name; another one deals anew."),
  unit: scalar(unitExpected, unitFrom, { form: patternForm(unitExpected, unitText) })
    .optional()
    .describe("What a caller is known by: affinity_key, end_user_id, key or tag:NAME. Default: affinity_key."),
  arms: list(
    section({
      name: text().describe("Told by RouteInfo.arm, and in the log."),
      weight: whole(1, 2 ** 32 - 1).describe("Share of the callers."),
      policy: policySchema,
    }),
  )
    .min(2, { error: "expected at least two arms" })
    .describe("Policies that callers are dealt to; at least two."),
});

const ruleSchema = section({
  name: text().describe("Told by Explain, and in the log."),
  when: text().describe("Condition in CEL, such as: input_tokens > 100000 && !has_tools"),
  policy: policySchema.optional().describe("Default: otherwise of the rules."),
  model: text().optional().describe("Stands in the place of the model asked for."),
});

const rulesSchema = section({
  rules: list(ruleSchema).default([]).describe("The first whose condition holds decides."),
  otherwise: policySchema,
});

/** What `config` may hold, by type. */
export const policyConfigs = {
  cost_based: costBasedSchema,
  failover: failoverSchema,
  weighted: weightedSchema,
  latency: latencySchema,
  least_busy: section({}),
  experiment: experimentSchema,
  rules: rulesSchema,
} as const satisfies Record<(typeof policyKinds)[number], z.ZodType>;

/** All fields of all kinds, for those who look for the names of settings. */
export const policyFields = section({
  ...policyHead.shape,
  config: section({
    ...policyConfigs.cost_based.shape,
    ...policyConfigs.failover.shape,
    ...policyConfigs.weighted.shape,
    ...policyConfigs.latency.shape,
    ...policyConfigs.experiment.shape,
    ...policyConfigs.rules.shape,
  }),
});

function policyFrom(written: unknown, context: z.RefinementCtx): PolicySettings {
  const head = policyHead.safeParse(written);
  forward(head, [], context);
  // A head that is wrong elsewhere still says the kind, so that the problems of both are told at once.
  const about = typeof written === "object" && written !== null ? { ...written } : {};
  const type = head.data?.type ?? policyHead.shape.type.safeParse("type" in about ? about.type : undefined).data;
  if (type === undefined) return z.NEVER;
  const body = bodyFrom(type, ("config" in about ? about.config : undefined) ?? {}, context);
  if (head.data === undefined || body === undefined) return z.NEVER;
  const { name, shadow } = head.data;
  return { ...body, ...(name !== undefined && { name }), ...(shadow !== undefined && { shadow }) };
}

function bodyFrom(type: (typeof policyKinds)[number], written: unknown, context: z.RefinementCtx): PolicyBody | undefined {
  const read = <T>(schema: z.ZodType<T>): T | undefined => {
    const result = schema.safeParse(written);
    forward(result, ["config"], context);
    return result.data;
  };
  switch (type) {
    case "cost_based":
      return withConfig(type, read(policyConfigs[type]));
    case "failover":
      return withConfig(type, read(policyConfigs[type]));
    case "weighted":
      return withConfig(type, read(policyConfigs[type]));
    case "latency":
      return withConfig(type, read(policyConfigs[type]));
    case "least_busy":
      return withConfig(type, read(policyConfigs[type]));
    case "experiment":
      return withConfig(type, read(policyConfigs[type]));
    case "rules":
      return withConfig(type, read(policyConfigs[type]));
    default:
      return type satisfies never;
  }
}

function withConfig<K, C>(type: K, config: C | undefined): { readonly type: K; readonly config: C } | undefined {
  return config === undefined ? undefined : { type, config };
}

function forward(result: z.ZodSafeParseResult<unknown>, under: readonly string[], context: z.RefinementCtx): void {
  for (const issue of result.error?.issues ?? []) {
    const { message } = issue;
    const path = [...under, ...issue.path];
    if (issue.code === "unrecognized_keys") context.issues.push({ code: issue.code, keys: issue.keys, message, path, input: {} });
    else context.addIssue({ code: "custom", message, path, ...(issue.code === "custom" && { params: issue.params ?? {} }) });
  }
}

function unitFrom(written: string): string | undefined {
  return unitText.test(written) ? written : undefined;
}
