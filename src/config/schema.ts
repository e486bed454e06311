import type { z } from "zod";

import { redisPrefixes } from "../core/redis-address.ts";
import { patternForm, wordsForm } from "./forms.ts";
import { policySchema } from "./policy-schema.ts";
import { providerSchema } from "./provider-schema.ts";
import {
  choice,
  duration,
  flag,
  httpUrl,
  list,
  named,
  number,
  port,
  positiveDuration,
  scalar,
  secret,
  secretUrl,
  section,
  size,
  text,
  whole,
} from "./values.ts";

const countMax = Number.MAX_SAFE_INTEGER;

const originExpected = 'an origin such as https://app.example.com, or "*"';
const workersExpected = 'a whole number of at least 1, or "auto"';

const serverSchema = section({
  host: text()
    .default("127.0.0.1")
    .describe("Address to listen on. Beyond loopback, real providers need auth.keys, or auth.required: false."),
  port: port().default(8080).describe("Port of all protocols; 0: the system chooses."),
  tls: section({
    // Paths are absolute once loaded.
    cert_file: text().optional().describe("PEM file of the certificate; with key_file: TLS and ALPN. Begins at this file's folder."),
    key_file: text().optional().describe("PEM file of the certificate's key."),
    client_ca_file: text().optional().describe("PEM file of the authority whose client certificates are required. Not set: none is."),
  })
    .prefault({})
    .describe("TLS of the main listener."),
  cors: section({
    allowed_origins: list(scalar(originExpected, originFrom, { form: patternForm(originExpected, /^\*$|^[a-z]+:\/\/[^/]+$/) }))
      .default([])
      .describe('Exact origins such as https://app.example.com, or "*"; never for the admin doors.'),
  })
    .prefault({})
    .describe("Which web pages may call."),
  max_body: size().prefault("16MiB").describe("Largest request, for every protocol."),
  heartbeat: positiveDuration().prefault("15s").describe("How long a stream says nothing before it shows that it lives."),
  drain_delay: duration().prefault("0s").describe('Time between "not ready" and closed listeners at a stop.'),
  drain_timeout: duration().prefault("30s").describe("Time that running calls get at a stop."),
  workers: scalar<number | "auto">(workersExpected, (written) => (written === "auto" ? written : whole(1, 1024).safeParse(written).data), {
    form: patternForm(workersExpected, /^auto$|^\d+$/, { type: ["integer", "string"], minimum: 1, maximum: 1024 }),
  })
    .default(1)
    .describe("Processes; auto: one per core."),
})
  .prefault({})
  .describe("The listener, and how it begins and ends.");

const adminSchema = section({
  token: secret().optional().describe("Guards every admin call. Not set: one is made at the first start, and kept in data/admin-token."),
  host: text().optional().describe("Address of the admin listener that port asks for. Default: server.host."),
  port: port().optional().describe("Set: admin leaves the main port for a listener of its own."),
})
  .prefault({})
  .describe("The control plane.");

const keySchema = section({
  name: text().describe("Names the key; its id is cfg_<name>. Letters, digits, dots, dashes and underscores."),
  key: secret().describe("What callers send."),
  models: list(text()).default([]).describe("Aliases, models or provider/model that the key may ask for; empty: all."),
  priority: choice(["low", "normal", "high"]).default("normal").describe("Who is refused first under overload: low."),
  limits: section({
    requests_per_minute: whole(0, countMax).default(0).describe("0: no limit."),
    tokens_per_minute: whole(0, countMax).default(0).describe("0: no limit."),
    concurrent_calls: whole(0, countMax).default(0).describe("0: no limit."),
    budget_usd: number(0, 1e9).default(0).describe("US dollars in a period; 0: no budget."),
    budget_period: choice(["day", "month", "total"]).default("month").describe("After what time the budget begins anew."),
  })
    .prefault({})
    .describe("How much the key may use."),
});

const resilienceSchema = section({
  max_attempts: whole(1, 100).default(3).describe("Attempts of a call over all targets; a request may only lower it."),
  retry: section({
    base_delay: duration().prefault("100ms").describe("Pause before the same target is asked again, at first."),
    max_delay: duration().prefault("2s").describe("Up to which the pause grows."),
    budget: number(0, 1).default(0.2).describe("Repeats at the same target per call, over time. 0: none."),
  })
    .prefault({})
    .describe("When the same target is asked again."),
  circuit_breaker: section({
    consecutive_failures: whole(1, countMax).default(5).describe("That many in a row open a target's breaker."),
    failure_ratio: number(0, 1).default(0.5).describe("Part of the window's calls that opens it, too."),
    min_calls: whole(1, countMax).default(20).describe("Calls in the window below which the ratio says nothing."),
    window: positiveDuration().prefault("30s").describe("Time over which the ratio is counted."),
    open: positiveDuration().prefault("5s").describe("How long a breaker stays open at first; doubled with each failed trial."),
    max_open: positiveDuration().prefault("5m").describe("Up to which that grows."),
  })
    .prefault({})
    .describe("When a target that fails is left alone."),
  timeouts: section({
    connect: positiveDuration().prefault("5s").describe("DNS, TCP and TLS."),
    first_token: positiveDuration().prefault("60s").describe("Of streams, until the first content."),
    idle: positiveDuration().prefault("60s").describe("Between two reads of an upstream's body."),
    progress: positiveDuration().prefault("5m").describe("Between two content events of a stream."),
    total: positiveDuration().prefault("10m").describe("A whole call; also the longest deadline a caller may set."),
  })
    .prefault({})
    .describe("How long what may take."),
  hedge: section({
    enabled: flag().default(false).describe("Ask a second target where the first is late with its first content."),
    percentile: number(1, 99.99).default(95).describe("Late: slower than this share of the target's last answers, in percent."),
    max_extra_cost_ratio: number(0, 1).default(0.05).describe("Hedges cost at most this share of what the calls cost."),
  })
    .prefault({})
    .describe("Second requests against slow answers."),
})
  .prefault({})
  .describe("What happens when something fails or is late.");

const observabilitySchema = section({
  logging: section({
    level: choice(["debug", "info", "warn", "error"]).default("info").describe("Least level that is logged."),
    format: choice(["auto", "json", "pretty"]).default("auto").describe("auto: pretty on a terminal, else JSON."),
  })
    .prefault({})
    .describe("Lines on stdout."),
  metrics: section({
    enabled: flag().default(true).describe("Serve /metrics."),
    port: port().optional().describe("Set: /metrics leaves the main port for a listener of its own."),
  })
    .prefault({})
    .describe("Prometheus."),
  tracing: section({
    enabled: flag().default(false).describe("Send spans."),
    endpoint: httpUrl().default("http://127.0.0.1:4318").describe("Where to: OTLP over HTTP."),
    sample_ratio: number(0, 1).default(0.1).describe("Share of the calls without a traceparent that are traced."),
  })
    .prefault({})
    .describe("OpenTelemetry."),
})
  .prefault({})
  .describe("Logs, metrics and traces.");

const cacheSchema = section({
  enabled: flag().default(true).describe("Answer equal requests from memory."),
  mode: choice(["deterministic", "all", "on_request"])
    .default("deterministic")
    .describe("deterministic: temperature 0, and embeddings; all; on_request: calls that say x-semaroute-cache: use."),
  ttl: positiveDuration().prefault("5m").describe("How long an answer is kept."),
  max_bytes: size().prefault("256MiB").describe("What all answers together may take."),
  backend: choice(["memory", "redis"]).default("memory").describe("redis: in Redis, too, for all replicas; needs redis.url."),
  semantic: section({
    enabled: flag().default(false).describe("Answer similar questions, too: chats of text alone, without tools."),
    model: text().optional().describe("An embedding model: provider/model, or a name of models. Required where this is enabled."),
    threshold: number(0, 1).default(0.95).describe("Cosine similarity from which questions count as similar."),
  })
    .prefault({})
    .describe("Similar requests."),
})
  .prefault({})
  .describe("Answers that are given again.");

/**
 * The whole configuration file; every section is optional. A default given by `prefault` is written as in the file. Descriptions are what
 * editors show (`json-schema.ts`).
 */
export const settingsSchema = section({
  server: serverSchema,
  admin: adminSchema,
  auth: section({
    required: scalar<"auto" | boolean>(
      "auto, true or false",
      (written) => (written === "auto" ? written : flag().safeParse(written).data),
      { form: wordsForm(["auto", "true", "false"]) },
    )
      .default("auto")
      .describe("Whether every call needs a key. auto: once any key was ever configured or issued."),
    keys: list(keySchema).default([]).describe("Callers' keys."),
  })
    .prefault({})
    .describe("Who may call."),
  providers: named(providerSchema)
    .default({})
    .describe("By names of your own. None: those whose key is in the environment, else simulated ones."),
  models: named(section({ targets: list(text()).describe("provider/model; the policy orders them.") }))
    .default({})
    .describe("Names of your own for models."),
  routing_policy: policySchema.default({ type: "cost_based", config: {} }).describe("Where calls go."),
  unsupported_fields: choice(["drop", "require"])
    .default("drop")
    .describe("What a target cannot honour: drop it, and say so in x-semaroute-notes; or require a target that can."),
  resilience: resilienceSchema,
  health: section({
    interval: positiveDuration().prefault("30s").describe("Between two probes of one provider."),
    timeout: positiveDuration().prefault("5s").describe("Longest wait for a probe."),
    probe: choice(["models", "none"]).default("models").describe("models: the unbilled list call; none: only what calls show."),
  })
    .prefault({})
    .describe("Probes of providers."),
  cache: cacheSchema,
  redis: section({
    url: secretUrl(redisPrefixes)
      .optional()
      .describe("redis://…, redis+sentinel://… or redis+cluster://…; rediss for TLS. Not set: replicas share nothing."),
    timeout: positiveDuration().prefault("20ms").describe("Longest that a call waits for one command."),
  })
    .prefault({})
    .describe("What replicas share."),
  store: section({
    url: secretUrl(["sqlite:", "postgres://", "postgresql://", "memory:"])
      .optional()
      .describe("sqlite:PATH, postgres://… or memory:. Default: data/semaroute.db beside this file."),
    retention: section({
      decisions: positiveDuration().optional().describe("Older decisions are forgotten. Default: 7d."),
      ledger: positiveDuration().optional().describe("Older lines of the ledger are forgotten. Default: never."),
    })
      .optional()
      .describe("How long what is kept."),
  })
    .prefault({})
    .describe("What outlives the process."),
  observability: observabilitySchema,
});

/** A configuration that was read, checked, and has every default; keys as in the file, durations in milliseconds, sizes in bytes. */
export type Settings = z.output<typeof settingsSchema>;

/** One provider of the configuration. */
export type ProviderSettings = Settings["providers"][string];

/** A model a provider is said to offer. */
export type ModelSettings = NonNullable<ProviderSettings["models"]>[number];

/** A caller's key of the configuration. */
export type KeySettings = Settings["auth"]["keys"][number];

function originFrom(written: string): string | undefined {
  return written === "*" || URL.parse(written)?.origin === written ? written : undefined;
}
