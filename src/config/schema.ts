import type { z } from "zod";

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

const serverSchema = section({
  host: text().default("127.0.0.1"),
  /** 0: the system chooses. */
  port: port().default(8080),
  tls: section({
    /** Path of a PEM file, absolute once loaded; `key_file` goes with it. */
    cert_file: text().optional(),
    /** As `cert_file`. */
    key_file: text().optional(),
    /** As `cert_file`; set: a client certificate is required. */
    client_ca_file: text().optional(),
  }).prefault({}),
  cors: section({
    /** Exact origins or `*`. */
    allowed_origins: list(scalar('an origin such as https://app.example.com, or "*"', originFrom)).default([]),
  }).prefault({}),
  /** Bytes, for every protocol. */
  max_body: size().default(16 * 2 ** 20),
  /** Milliseconds without an event after which a stream shows that it lives. */
  heartbeat: positiveDuration().default(15_000),
  /** Milliseconds between "not ready" and closed listeners. */
  drain_delay: duration().default(0),
  /** Milliseconds that running calls get. */
  drain_timeout: duration().default(30_000),
  /** Processes; `auto`: one per core. */
  workers: scalar<number | "auto">('a whole number of at least 1, or "auto"', (written) =>
    written === "auto" ? written : whole(1, 1024).safeParse(written).data,
  ).default(1),
}).prefault({});

const adminSchema = section({
  /** Default: minted at start. */
  token: secret().optional(),
  /** Set: admin leaves the main port for its own listener. */
  host: text().optional(),
  /** As `host`. */
  port: port().optional(),
}).prefault({});

const keySchema = section({
  /** The key's id is `cfg_<name>`. */
  name: text(),
  key: secret(),
  /** Names the key may ask for; empty: all. */
  models: list(text()).default([]),
  priority: choice(["low", "normal", "high"]).default("normal"),
  /** 0: no limit. */
  limits: section({
    requests_per_minute: whole(0, countMax).default(0),
    tokens_per_minute: whole(0, countMax).default(0),
    concurrent_calls: whole(0, countMax).default(0),
    budget_usd: number(0, 1e9).default(0),
    budget_period: choice(["day", "month", "total"]).default("month"),
  }).prefault({}),
});

const resilienceSchema = section({
  /** Over all targets. */
  max_attempts: whole(1, 100).default(3),
  retry: section({
    /** Milliseconds. */
    base_delay: duration().default(100),
    /** Milliseconds. */
    max_delay: duration().default(2000),
    /** Retries per call, over time. */
    budget: number(0, 1).default(0.2),
  }).prefault({}),
  circuit_breaker: section({
    consecutive_failures: whole(1, countMax).default(5),
    failure_ratio: number(0, 1).default(0.5),
    /** Calls in the window below which the ratio says nothing. */
    min_calls: whole(1, countMax).default(20),
    /** Milliseconds. */
    window: positiveDuration().default(30_000),
    /** Milliseconds a breaker stays open at first. */
    open: positiveDuration().default(5000),
    /** Milliseconds to which that grows. */
    max_open: positiveDuration().default(300_000),
  }).prefault({}),
  /** All in milliseconds. */
  timeouts: section({
    connect: positiveDuration().default(5000),
    /** Of streams. */
    first_token: positiveDuration().default(60_000),
    idle: positiveDuration().default(60_000),
    /** Between two content events of a stream. */
    progress: positiveDuration().default(300_000),
    /** Also the longest deadline a caller may set. */
    total: positiveDuration().default(600_000),
  }).prefault({}),
  hedge: section({
    enabled: flag().default(false),
    /** Of the first-token times, after which a second target is asked. */
    percentile: number(1, 99.99).default(95),
    max_extra_cost_ratio: number(0, 1).default(0.05),
  }).prefault({}),
}).prefault({});

const observabilitySchema = section({
  logging: section({
    level: choice(["debug", "info", "warn", "error"]).default("info"),
    /** `auto`: pretty on a terminal, else JSON. */
    format: choice(["auto", "json", "pretty"]).default("auto"),
  }).prefault({}),
  metrics: section({
    enabled: flag().default(true),
    /** Set: `/metrics` has its own listener, and leaves the main port. */
    port: port().optional(),
  }).prefault({}),
  tracing: section({
    enabled: flag().default(false),
    /** OTLP over HTTP. */
    endpoint: httpUrl().default("http://127.0.0.1:4318"),
    /** 0 to 1. */
    sample_ratio: number(0, 1).default(0.1),
  }).prefault({}),
}).prefault({});

/** The whole configuration file; every section is optional. */
export const settingsSchema = section({
  server: serverSchema,
  admin: adminSchema,
  auth: section({
    /** `auto`: once any key was ever configured or issued. */
    required: scalar<"auto" | boolean>("auto, true or false", (written) =>
      written === "auto" ? written : flag().safeParse(written).data,
    ).default("auto"),
    keys: list(keySchema).default([]),
  }).prefault({}),
  /** By name. */
  providers: named(providerSchema).default({}),
  /** Names of the operator's own; a target is `provider/model`. */
  models: named(section({ targets: list(text()) })).default({}),
  routing_policy: policySchema.default({ type: "cost_based", config: {} }),
  unsupported_fields: choice(["drop", "require"]).default("drop"),
  resilience: resilienceSchema,
  health: section({
    /** Milliseconds. */
    interval: positiveDuration().default(30_000),
    /** Milliseconds. */
    timeout: positiveDuration().default(5000),
    /** `models`: the unbilled list call; `none`: passive only. */
    probe: choice(["models", "none"]).default("models"),
  }).prefault({}),
  cache: section({
    enabled: flag().default(true),
    mode: choice(["deterministic", "all", "on_request"]).default("deterministic"),
    /** Milliseconds. */
    ttl: positiveDuration().default(300_000),
    /** Bytes. */
    max_bytes: size().default(256 * 2 ** 20),
    backend: choice(["memory", "redis"]).default("memory"),
    semantic: section({
      enabled: flag().default(false),
      /** `provider/model` of an embedding model. */
      model: text().optional(),
      /** Cosine similarity. */
      threshold: number(0, 1).default(0.95),
    }).prefault({}),
  }).prefault({}),
  redis: section({
    url: secretUrl(["redis://", "rediss://"]).optional(),
    /** Milliseconds. */
    timeout: positiveDuration().default(20),
  }).prefault({}),
  store: section({
    url: secretUrl(["sqlite:", "postgres://", "postgresql://", "memory:"]).optional(),
    /** Milliseconds for which rows are kept. Default: for ever. */
    retention: section({ decisions: positiveDuration().optional(), ledger: positiveDuration().optional() }).optional(),
  }).prefault({}),
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
