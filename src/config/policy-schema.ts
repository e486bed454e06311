import { z } from "zod";

import { choice, duration, list, named, number, section, text, whole } from "./values.ts";

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

const weight = () => number(0, Infinity).optional();

const shadowSchema = section({
  /** `provider/model`. */
  target: text(),
  /** 0 to 1. */
  share: number(0, 1),
});

const costBasedSchema = section({
  /** Default 0.6. */
  cost_weight: weight(),
  /** Default 0.3. */
  latency_weight: weight(),
  /** Default 0.1. */
  health_weight: weight(),
  /** Milliseconds; targets above it come last. Default: no bound. */
  max_first_token: duration().optional(),
});

const failoverSchema = section({
  primary_provider: text(),
  backup_providers: list(text()).default([]),
  /** Milliseconds for which a primary that failed is left alone. Default 30 s. */
  failover_delay: duration().optional(),
});

const weightedSchema = section({
  /** Provider to weight. */
  weights: named(whole(0, 2 ** 32 - 1)).default({}),
});

const latencySchema = section({
  /** Milliseconds; the time constant of the mean. Default 10 s. */
  decay: duration().optional(),
});

/** `{type, config, name, shadow}`; what `config` may hold hangs on `type`. */
export const policySchema: z.ZodType<PolicySettings> = z.unknown().transform(policyFrom);

const headSchema = section({
  type: choice(policyKinds).default("cost_based"),
  name: text()
    .refine((name) => name.length <= 64, { error: "expected at most 64 characters" })
    .optional(),
  shadow: shadowSchema.optional(),
  config: z.unknown().optional(),
});

const experimentSchema = section({
  experiment: text(),
  unit: scalarUnit().optional(),
  arms: list(section({ name: text(), weight: whole(1, 2 ** 32 - 1), policy: policySchema })).refine((arms) => arms.length >= 2, {
    error: "expected at least two arms",
  }),
});

const rulesSchema = section({
  rules: list(section({ name: text(), when: text(), policy: policySchema.optional(), model: text().optional() })).default([]),
  otherwise: policySchema,
});

/** All fields of all kinds, for those who look for the names of settings. */
export const policyFields = section({
  ...headSchema.shape,
  config: section({
    ...costBasedSchema.shape,
    ...failoverSchema.shape,
    ...weightedSchema.shape,
    ...latencySchema.shape,
    ...experimentSchema.shape,
    ...rulesSchema.shape,
  }),
});

function policyFrom(written: unknown, context: z.RefinementCtx): PolicySettings {
  const head = headSchema.safeParse(written);
  forward(head, [], context);
  // A head that is wrong elsewhere still says the kind, so that the problems of both are told at once.
  const about = typeof written === "object" && written !== null ? { ...written } : {};
  const type = head.data?.type ?? headSchema.shape.type.safeParse("type" in about ? about.type : undefined).data;
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
      return withConfig(type, read(costBasedSchema));
    case "failover":
      return withConfig(type, read(failoverSchema));
    case "weighted":
      return withConfig(type, read(weightedSchema));
    case "latency":
      return withConfig(type, read(latencySchema));
    case "least_busy":
      return withConfig(type, read(section({})));
    case "experiment":
      return withConfig(type, read(experimentSchema));
    case "rules":
      return withConfig(type, read(rulesSchema));
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

function scalarUnit() {
  return text().refine((unit) => /^(affinity_key|end_user_id|key|tag:.+)$/.test(unit), {
    error: "expected affinity_key, end_user_id, key or tag:NAME",
  });
}
