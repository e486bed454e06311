import { readFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { loadConfiguration } from "../../src/config/load.ts";
import { policySchema } from "../../src/config/policy-schema.ts";
import type { Settings } from "../../src/config/schema.ts";
import { build, exampleWith, folderWith, load, loaded, settingsOf, warningsOf } from "./workspace.ts";

/** The defaults that the contract shows. */
const defaults: Omit<Settings, "providers"> = {
  server: {
    host: "127.0.0.1",
    port: 8080,
    tls: {},
    cors: { allowed_origins: [] },
    max_body: 16 * 1024 * 1024,
    heartbeat: 15_000,
    drain_delay: 0,
    drain_timeout: 30_000,
    workers: 1,
  },
  admin: {},
  auth: { required: "auto", keys: [] },
  models: {},
  routing_policy: { type: "cost_based", config: {} },
  unsupported_fields: "drop",
  resilience: {
    max_attempts: 3,
    retry: { base_delay: 100, max_delay: 2000, budget: 0.2 },
    circuit_breaker: { consecutive_failures: 5, failure_ratio: 0.5, min_calls: 20, window: 30_000, open: 5000, max_open: 300_000 },
    timeouts: { connect: 5000, first_token: 60_000, idle: 60_000, progress: 300_000, total: 600_000 },
    hedge: { enabled: false, percentile: 95, max_extra_cost_ratio: 0.05 },
  },
  health: { interval: 30_000, timeout: 5000, probe: "models" },
  cache: {
    enabled: true,
    mode: "deterministic",
    ttl: 300_000,
    max_bytes: 256 * 1024 * 1024,
    backend: "memory",
    semantic: { enabled: false, threshold: 0.95 },
  },
  redis: { timeout: 20 },
  store: {},
  observability: {
    logging: { level: "info", format: "auto" },
    metrics: { enabled: true },
    tracing: { enabled: false, endpoint: "http://127.0.0.1:4318", sample_ratio: 0.1 },
  },
};

const nothingSet = [
  { name: "no file", text: undefined },
  { name: "an empty file", text: "" },
  { name: "a file of comments", text: "# nothing\n" },
  { name: "null", text: "null\n" },
  {
    name: "sections that are null",
    text: "server:\nadmin:\nauth: ~\nproviders: null\nmodels:\nrouting_policy:\nresilience:\nhealth:\ncache:\nredis:\nstore:\nobservability:\nunsupported_fields:\n",
  },
  {
    name: "empty sections",
    text: "server: {}\nproviders: {}\nauth: {keys: []}\nrouting_policy: {config: }\nresilience: {retry: {}}\nstore: {url: ''}\n",
  },
  {
    name: "settings that are null or empty",
    text: 'server: {port: , host: ""}\nadmin: {token: "${NONE:-}", host: ~}\ncache: {ttl: null}\n',
  },
];

describe("the contract's defaults hold for", () => {
  test.for(nothingSet)("$name", ({ text }) => {
    const { providers, ...rest } = settingsOf(text);
    expect(rest).toEqual(defaults);
    expect(Object.keys(providers)).toEqual(["sim-cheap", "sim-fast"]);
  });
});

test("the example file loads without a warning, and is the defaults", () => {
  const text = readFileSync(join(import.meta.dirname, "../../config.example.yaml"), "utf8");
  const { providers: _, routing_policy: policy, ...rest } = settingsOf(text);
  const { routing_policy: __, providers: ___, ...expected } = { ...defaults, providers: {} };
  expect(rest).toEqual(expected);
  expect(policy).toEqual({ type: "cost_based", config: { cost_weight: 0.6, latency_weight: 0.3, health_weight: 0.1 } });
  expect(warningsOf(text)).toEqual([]);
});

test.for(["cost_based", "failover", "weighted", "latency", "least_busy", "experiment", "rules"])(
  "what the example file shows in comments loads too, with the policy %s",
  (type) => {
    const open = exampleWith(type);
    const aws = { AWS_ACCESS_KEY_ID: "i", AWS_SECRET_ACCESS_KEY: "s" };
    const environment = {
      OPENAI_API_KEY: "k",
      TEAM_A_KEY: "t",
      ANTHROPIC_API_KEY: "a",
      SEMAROUTE_PROVIDERS_ANTHROPIC_ENABLED: "true",
      ...aws,
    };
    const settings = settingsOf(open, environment);
    expect(settings.routing_policy).toMatchObject({ type, shadow: { share: 0.05 } });
    expect(settings.auth.keys[0]?.name).toBe("team-a");
    expect(Object.keys(settings.providers)).toEqual(["openai", "bedrock", "own-server", "azure", "trial", "anthropic"]);
    expect(settings.models["fast"]?.targets).toHaveLength(2);
  },
);

test("a provider has the contract's defaults, and its type from its name", () => {
  expect(settingsOf("providers: {ollama: {}}").providers["ollama"]).toEqual({
    type: "ollama",
    enabled: true,
    max_concurrent: 256,
    fallback_on_refusal: false,
    first_token: 50,
    tokens_per_second: 100,
    reply: { kind: "echo" },
    failure_ratio: 0,
    failure: "500",
    seed: 1,
  });
});

test("durations and sizes are read in every unit", () => {
  const { server, health, cache } = settingsOf(
    "server: {max_body: 512KiB, heartbeat: 250ms, drain_timeout: 1h, drain_delay: 0}\nhealth: {interval: 1m30s, timeout: 1.5s}\ncache: {ttl: 5m, max_bytes: 1000}\n",
  );
  expect([server.max_body, server.heartbeat, server.drain_timeout, server.drain_delay]).toEqual([524_288, 250, 3_600_000, 0]);
  expect([health.interval, health.timeout, cache.ttl, cache.max_bytes]).toEqual([90_000, 1500, 300_000, 1000]);
});

describe("a simulated provider's reply is", () => {
  test.for([
    { written: "echo", reply: { kind: "echo" } },
    { written: 'text:"hello there"', reply: { kind: "text", text: "hello there" } },
    { written: "'text:hello there'", reply: { kind: "text", text: "hello there" } },
    { written: "tokens:200", reply: { kind: "tokens", count: 200 } },
  ])("$written", ({ written, reply }) => {
    expect(settingsOf(`providers:\n  simulated:\n    reply: ${written}\n`).providers["simulated"]?.reply).toEqual(reply);
  });
});

test("models are names or records, and text stays the text that was written", () => {
  const { providers } = settingsOf(
    "providers:\n  ollama:\n    models:\n      - 4.10\n      - {id: gpt-4o, upstream: gpt-4o-2024-11-20, input_price: 2.5, output_price: 10, cached_input_price: 1.25, context_tokens: 128000}\n      - {id: own, kind: embedding, input_price: 0}\n",
  );
  expect(providers["ollama"]?.models).toEqual([
    { id: "4.10" },
    { id: "gpt-4o", upstream: "gpt-4o-2024-11-20", input_price: 2.5, output_price: 10, cached_input_price: 1.25, context_tokens: 128_000 },
    { id: "own", kind: "embedding", input_price: 0 },
  ]);
});

test("anchors, aliases and merged maps work", () => {
  const { providers } = settingsOf(
    "providers:\n  a: &own {type: openai_compatible, base_url: 'http://127.0.0.1:1/v1/'}\n  b: {<<: *own, timeout: 3s}\n",
  );
  expect([providers["b"]?.type, providers["b"]?.base_url, providers["b"]?.timeout]).toEqual([
    "openai_compatible",
    "http://127.0.0.1:1/v1",
    3000,
  ]);
});

test("the README's file of the Go program loads", () => {
  const text = `server:
  port: 8080
providers:
  openai:
    enabled: true
    api_key: "\${OPENAI_API_KEY}"
    timeout: 30s
routing_policy:
  type: "cost_based"
observability:
  logging:
    level: "info"
  metrics:
    enabled: true
    port: 9090
`;
  const { providers, observability } = settingsOf(text, { OPENAI_API_KEY: "k" });
  expect([providers["openai"]?.timeout, observability.metrics.port]).toEqual([30_000, 9090]);
});

const from = (explicitPath: string | undefined, environment: Readonly<Record<string, string>>, cwd: string) => {
  const result = loadConfiguration({ ...build, explicitPath, environment, cwd });
  return result.kind === "loaded" ? result.settings.server.port : result.problems.map(({ file, message }) => `${file}: ${message}`);
};

describe("the configuration is found", () => {
  test("by --config, else by SEMAROUTE_CONFIG, else in config.yaml, else nowhere", () => {
    const cwd = folderWith({ "a.yaml": "server: {port: 1}", "b.yaml": "server: {port: 2}", "config.yaml": "server: {port: 3}" });
    expect(from("a.yaml", { SEMAROUTE_CONFIG: "b.yaml" }, cwd)).toBe(1);
    expect(from(undefined, { SEMAROUTE_CONFIG: join(cwd, "b.yaml") }, cwd)).toBe(2);
    expect(from(undefined, { SEMAROUTE_CONFIG: "" }, cwd)).toBe(3);
    expect(from(undefined, {}, folderWith({}))).toBe(8080);
  });

  test("or it is an error that a named file is not there", () => {
    const cwd = folderWith({ "config.yaml": "" });
    expect(from("none.yaml", {}, cwd)).toEqual(["none.yaml: cannot be read: no such file"]);
    expect(from(undefined, { SEMAROUTE_CONFIG: "none.yaml" }, cwd)).toEqual(["none.yaml: cannot be read: no such file"]);
    expect(from(".", {}, cwd)).toEqual([".: cannot be read: is a folder"]);
  });

  test("with its absolute path and a hash of its text", () => {
    const one = loaded("server: {port: 1}");
    const two = loaded("server: {port: 2}");
    expect(one.path).toMatch(/^\/.*\/config\.yaml$/);
    expect(one.revision).toMatch(/^[0-9a-f]{64}$/);
    expect(one.revision).not.toBe(two.revision);
    expect(loaded(undefined).path).toBeUndefined();
  });
});

const refused = (text: string, environment = {}) => {
  const result = load(text, environment);
  return result.kind === "refused" ? result.problems.map(({ path, line, column }) => [path, line, column]) : [];
};

describe("listening beyond loopback", () => {
  const real = "providers: {openai: {api_key: k}}\n";
  test("with a real provider and no keys is refused, where the host stands", () => {
    expect(refused(`${real}server:\n  host: 0.0.0.0\n`)).toEqual([["server.host", 3, 9]]);
    expect(refused(`${real}server: {host: "::"}\n`)).toEqual([["server.host", 2, 16]]);
    expect(refused(real, { SEMAROUTE_SERVER_HOST: "0.0.0.0" })).toEqual([["server.host", undefined, undefined]]);
  });

  test.for([
    { name: "if it is meant", text: `${real}server: {host: 0.0.0.0}\nauth: {required: false}\n` },
    { name: "if keys are required", text: `${real}server: {host: 0.0.0.0}\nauth: {required: true}\n` },
    { name: "if there are keys", text: `${real}server: {host: 0.0.0.0}\nauth: {keys: [{name: a, key: b}]}\n` },
    { name: "if all is simulated", text: "server: {host: 0.0.0.0}\nproviders: {simulated: {}}\n" },
    { name: "if real providers are off", text: "server: {host: 0.0.0.0}\nproviders: {simulated: {}, openai: {enabled: false}}\n" },
    { name: "and on loopback anyway", text: `${real}server: {host: "::1"}\n` },
    { name: "and on localhost anyway", text: `${real}server: {host: localhost}\n` },
    { name: "and in all of 127/8 anyway", text: `${real}server: {host: 127.1.2.3}\n` },
  ])("is fine $name", ({ text }) => expect(refused(text)).toEqual([]));
});

describe("a warning is given", () => {
  const both = "providers: {openai: {api_key: k}, anthropic: {api_key: k}}\n";
  const failover = "routing_policy: {type: failover, config: {primary_provider: openai, backup_providers: [anthropic]}}\n";

  test("for a backup that can never serve", () => {
    expect(warningsOf(both + failover)).toEqual([
      'config.yaml:2:88 routing_policy.config.backup_providers[0]: provider "anthropic" can never serve as a backup: it offers no model that "openai" offers; an entry of models with a target at each would do',
    ]);
    expect(warningsOf(`${both}${failover}models: {fast: {targets: [openai/a, anthropic/b]}}\n`)).toEqual([]);
    expect(warningsOf(`providers: {openai: {api_key: k}, anthropic: {api_key: k, models: [gpt-4o-mini]}}\n${failover}`)).toEqual([]);
    expect(warningsOf(`providers: {openai: {api_key: k}, anthropic: {type: ollama}}\n${failover}`)).toEqual([]);
    expect(warningsOf(`providers: {openai: {api_key: k}, anthropic: {api_key: k, enabled: false}}\n${failover}`)).toEqual([
      expect.stringContaining('provider "anthropic" can never serve as a backup: it is not enabled'),
    ]);
  });

  test("for a provider without the key its host needs", () => {
    expect(
      warningsOf(
        "providers:\n  openai: {}\n  ollama: {}\n  own: {type: openai_compatible, base_url: 'http://x'}\n  sim: {type: simulated}\n",
      ),
    ).toEqual(["config.yaml:2:3 providers.openai.api_key: not set, nor is OPENAI_API_KEY; openai answers nobody without a key"]);
    expect(warningsOf("providers:\n  openai: {}\n", { OPENAI_API_KEY: "k" })).toEqual([]);
  });

  test("an Azure resource of which no deployment is named", () => {
    const azure = "providers:\n  azure_openai: {api_key: k, base_url: 'https://x.openai.azure.com'}\n";
    expect(warningsOf(azure)).toEqual([
      "config.yaml:2:3 providers.azure_openai.models: not set; of azure_openai nothing is known then, and only provider/any-name reaches it",
    ]);
    expect(warningsOf(azure.replace("}", ", models: [m]}"))).toEqual([]);
  });

  test("where nothing can serve", () => {
    expect(warningsOf("providers:\n  ollama: {enabled: false}\n")).toEqual([
      "config.yaml:1:1 providers: no provider is enabled, so no call can be served",
    ]);
    expect(warningsOf("providers: {ollama: {}, vllm: {enabled: false}}\nmodels:\n  fast: {targets: [vllm/a]}\n")).toEqual([
      "config.yaml:3:3 models.fast: no provider of models.fast is enabled, so it never serves",
    ]);
    expect(warningsOf("auth: {required: true}\n")).toEqual([
      "config.yaml:1:18 auth.required: no key is configured: every call is refused until one is issued",
    ]);
  });

  test("for a provider that is only a name", () => {
    const result = loaded("providers:\n  openai:\n  ollama: {}\n");
    expect(Object.keys(result.settings.providers)).toEqual(["ollama"]);
    expect(result.warnings.map(({ path, line }) => [path, line])).toEqual([["providers.openai", 2]]);
  });
});

test("policies of all kinds nest as the contract writes them", () => {
  const inner = { type: "weighted", config: { weights: { a: "1" } }, name: "even" };
  const result = policySchema.parse({
    type: "rules",
    config: {
      rules: [{ name: "big", when: "input_tokens > 1000", model: "big", policy: inner }],
      otherwise: {
        type: "experiment",
        config: { experiment: "e", unit: "tag:team", arms: [1, 2].map((n) => ({ name: `a${n}`, weight: "1", policy: inner })) },
      },
    },
  });
  expect(result).toMatchObject({ type: "rules", config: { rules: [{ policy: { type: "weighted", config: { weights: { a: 1 } } } }] } });
});
