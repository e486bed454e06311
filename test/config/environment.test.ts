import { describe, expect, test } from "vitest";

import { load, loaded, problemsOf, settingsOf, warningsOf } from "./workspace.ts";

describe("where no provider is configured", () => {
  test.for([
    { name: "one key enables its vendor", environment: { OPENAI_API_KEY: "k" }, providers: ["openai"], simulated: false },
    {
      name: "two keys enable two vendors",
      environment: { ANTHROPIC_API_KEY: "k", OPENAI_API_KEY: "k" },
      providers: ["openai", "anthropic"],
      simulated: false,
    },
    { name: "no key starts the simulated ones", environment: {}, providers: ["sim-cheap", "sim-fast"], simulated: true },
    { name: "an empty key counts as none", environment: { OPENAI_API_KEY: "" }, providers: ["sim-cheap", "sim-fast"], simulated: true },
    { name: "Gemini's key enables Gemini", environment: { GEMINI_API_KEY: "k" }, providers: ["gemini"], simulated: false },
    {
      name: "each key enables its vendor",
      environment: { GEMINI_API_KEY: "k", OPENAI_API_KEY: "k" },
      providers: ["openai", "gemini"],
      simulated: false,
    },
    {
      name: "Cohere's key enables Cohere",
      environment: { COHERE_API_KEY: "k" },
      providers: ["cohere"],
      simulated: false,
    },
    {
      name: "variables of ours can make one",
      environment: { SEMAROUTE_PROVIDERS_OPENAI_API_KEY: "k" },
      providers: ["openai"],
      simulated: false,
    },
    {
      name: "variables of ours can make one of any name",
      environment: { SEMAROUTE_PROVIDERS_MY_VLLM_TYPE: "vllm", SEMAROUTE_PROVIDERS_MY_VLLM_BASE_URL: "http://127.0.0.1:1" },
      providers: ["my-vllm"],
      simulated: false,
    },
    {
      name: "the environment mixes no simulated one in",
      environment: { OPENAI_API_KEY: "k", SEMAROUTE_PROVIDERS_SIM_TYPE: "simulated", SEMAROUTE_PROVIDERS_OLLAMA_ENABLED: "true" },
      providers: ["openai", "ollama"],
      simulated: false,
    },
    {
      name: "one that is switched off does not count",
      environment: { SEMAROUTE_PROVIDERS_OPENAI_ENABLED: "false" },
      providers: ["openai", "sim-cheap", "sim-fast"],
      simulated: true,
    },
  ])("$name", ({ environment, providers, simulated }) => {
    for (const text of [undefined, "server: {port: 0}\n", "providers: {}\n"]) {
      const result = loaded(text, environment);
      expect(Object.keys(result.settings.providers)).toEqual(providers);
      expect(result.simulated).toBe(simulated);
    }
  });

  test("the simulated ones both offer sim-chat and sim-embed; one is cheap and slow, one dear and fast", () => {
    const { "sim-cheap": cheap, "sim-fast": fast } = settingsOf(undefined).providers;
    const [cheapChat, cheapEmbed] = cheap?.models ?? [];
    const [fastChat, fastEmbed] = fast?.models ?? [];
    expect([cheapChat?.id, fastChat?.id, cheapEmbed?.id, fastEmbed?.id]).toEqual(["sim-chat", "sim-chat", "sim-embed", "sim-embed"]);
    expect(cheapChat?.input_price).toBeLessThan(fastChat?.input_price ?? 0);
    expect(cheapEmbed?.input_price).toBeLessThan(fastEmbed?.input_price ?? 0);
    expect(cheap?.first_token).toBeGreaterThan(fast?.first_token ?? 0);
    expect(cheap?.tokens_per_second).toBeLessThan(fast?.tokens_per_second ?? 0);
  });
});

test("keys in the environment add nothing to providers of a file", () => {
  const { settings, simulated } = loaded("providers: {simulated: {}}\n", { OPENAI_API_KEY: "k", ANTHROPIC_API_KEY: "k" });
  expect([Object.keys(settings.providers), simulated]).toEqual([["simulated"], true]);
});

test("a file may mix simulated and real ones", () => {
  const { settings, simulated } = loaded("providers: {simulated: {}, openai: {}}\n", { OPENAI_API_KEY: "k" });
  expect([Object.keys(settings.providers), simulated]).toEqual([["simulated", "openai"], false]);
});

describe("a variable sets", () => {
  const text = `server: {port: 1}
auth: {keys: [{name: a, key: file-key}]}
providers:
  openai: {api_key: file-key, timeout: 1s}
  my-own.host: {type: openai_compatible, base_url: 'http://127.0.0.1:1', models: [{id: m, input_price: 1}]}
`;
  test.for([
    { name: "SEMAROUTE_SERVER_PORT", value: "9000", get: "server.port", is: 9000 },
    { name: "SEMAROUTE_SERVER_HOST", value: "127.0.0.2", get: "server.host", is: "127.0.0.2" },
    { name: "SEMAROUTE_SERVER_DRAIN_TIMEOUT", value: "5s", get: "server.drain_timeout", is: 5000 },
    { name: "SEMAROUTE_SERVER_MAX_BODY", value: "1MiB", get: "server.max_body", is: 1_048_576 },
    { name: "SEMAROUTE_AUTH_REQUIRED", value: "false", get: "auth.required", is: false },
    { name: "SEMAROUTE_UNSUPPORTED_FIELDS", value: "require", get: "unsupported_fields", is: "require" },
    { name: "SEMAROUTE_RESILIENCE_CIRCUIT_BREAKER_MIN_CALLS", value: "7", get: "resilience.circuit_breaker.min_calls", is: 7 },
    { name: "SEMAROUTE_OBSERVABILITY_METRICS_PORT", value: "0", get: "observability.metrics.port", is: 0 },
    { name: "SEMAROUTE_CACHE_SEMANTIC_MODEL", value: "a/b", get: "cache.semantic.model", is: "a/b" },
    { name: "SEMAROUTE_PROVIDERS_OPENAI_TIMEOUT", value: "9s", get: "providers.openai.timeout", is: 9000 },
    { name: "SEMAROUTE_PROVIDERS_OPENAI_ENABLED", value: "false", get: "providers.openai.enabled", is: false },
    { name: "SEMAROUTE_PROVIDERS_MY_OWN_HOST_MAX_CONCURRENT", value: "3", get: "providers.my-own!host.max_concurrent", is: 3 },
    { name: "SEMAROUTE_PROVIDERS_MY_OWN_HOST_MODELS_0_INPUT_PRICE", value: "4", get: "providers.my-own!host.models.0.input_price", is: 4 },
    { name: "SEMAROUTE_AUTH_KEYS_0_NAME", value: "b", get: "auth.keys.0.name", is: "b" },
    { name: "SEMAROUTE_ROUTING_POLICY_CONFIG_COST_WEIGHT", value: "0.9", get: "routing_policy.config.cost_weight", is: 0.9 },
    { name: "SEMAROUTE_ROUTING_POLICY_NAME", value: "mine", get: "routing_policy.name", is: "mine" },
  ])("$name", ({ name, value, get, is }) => {
    const result = loaded(text, { [name]: value });
    let found: unknown = result.settings;
    for (const step of get.split(".")) found = new Map(Object.entries(Object(found))).get(step.replace("!", "."));
    expect(found).toBe(is);
    expect(result.warnings).toEqual([]);
  });

  test("a secret too, and says so", () => {
    const { providers, admin } = settingsOf(text, { SEMAROUTE_PROVIDERS_OPENAI_API_KEY: "env-key", SEMAROUTE_ADMIN_TOKEN: "t" });
    expect([providers["openai"]?.api_key?.reveal(), providers["openai"]?.api_key?.source]).toEqual([
      "env-key",
      "env:SEMAROUTE_PROVIDERS_OPENAI_API_KEY",
    ]);
    expect([admin.token?.reveal(), admin.token?.source]).toEqual(["t", "env:SEMAROUTE_ADMIN_TOKEN"]);
  });

  test("the kind of the policy, and what the kind needs", () => {
    const { routing_policy } = settingsOf("providers: {openai: {api_key: k}}\n", {
      SEMAROUTE_ROUTING_POLICY_TYPE: "failover",
      SEMAROUTE_ROUTING_POLICY_CONFIG_PRIMARY_PROVIDER: "openai",
    });
    expect(routing_policy).toEqual({ type: "failover", config: { primary_provider: "openai", backup_providers: [] } });
  });

  test("nothing where it is empty", () => {
    const result = loaded(text, { SEMAROUTE_SERVER_PORT: "" });
    expect([result.settings.server.port, result.warnings]).toEqual([1, []]);
  });

  test("what the file's own variable would have set, which then need not be there", () => {
    const { providers } = settingsOf('providers: {openai: {api_key: "${NOT_SET}"}}\n', { SEMAROUTE_PROVIDERS_OPENAI_API_KEY: "k" });
    expect(providers["openai"]?.api_key?.reveal()).toBe("k");
  });
});

describe("a variable is refused", () => {
  test.for([
    {
      environment: { SEMAROUTE_SERVER_PORT: "eighty" },
      line: 'env:SEMAROUTE_SERVER_PORT server.port: expected a whole number from 0 to 65535, got "eighty"',
    },
    {
      environment: { SEMAROUTE_CACHE_MODE: "al" },
      line: 'env:SEMAROUTE_CACHE_MODE cache.mode: expected one of deterministic, all, on_request, got "al"; did you mean all?',
    },
    {
      environment: { SEMAROUTE_SERVER_WORKERS: "two" },
      line: 'env:SEMAROUTE_SERVER_WORKERS server.workers: expected a whole number of at least 1, or "auto", got "two"',
    },
    {
      environment: { SEMAROUTE_PROVIDERS_MINE_TYPE: "opnai" },
      line: 'env:SEMAROUTE_PROVIDERS_MINE_TYPE providers.mine.type: there is no provider type "opnai"; did you mean openai?',
    },
  ])("$environment", ({ environment, line }) => expect(problemsOf(undefined, environment)).toEqual([line]));

  test("without its value where that is a secret", () => {
    const result = load("server: {}\n", { OPENAI_API_KEY: "sk secret" });
    expect(JSON.stringify(result)).not.toContain("sk secret");
    expect(problemsOf(undefined, { OPENAI_API_KEY: "sk secret" })).toEqual([
      "env:OPENAI_API_KEY providers.openai.api_key: expected visible ASCII characters without spaces",
    ]);
  });

  test("if it could mean two providers", () => {
    const lines = problemsOf("providers: {a-b: {type: ollama}, a_b: {type: ollama}}\n", { SEMAROUTE_PROVIDERS_A_B_TIMEOUT: "1s" });
    expect(lines).toEqual([
      "config.yaml:1:13 providers.a-b.timeout: SEMAROUTE_PROVIDERS_A_B_TIMEOUT could also mean providers.a_b.timeout",
    ]);
  });
});

describe("a variable is warned of", () => {
  test.for([
    {
      environment: { SEMAROUTE_SERVR_PORT: "1" },
      line: "env:SEMAROUTE_SERVR_PORT: ignored: no such setting; did you mean SEMAROUTE_SERVER_PORT?",
    },
    { environment: { SEMAROUTE_ZEBRA: "1" }, line: "env:SEMAROUTE_ZEBRA: ignored: no such setting" },
    {
      environment: { SEMAROUTE_SERVER_PORT: "tcp://10.0.0.1:8080" },
      line: "env:SEMAROUTE_SERVER_PORT: ignored: the value is a Kubernetes service link",
    },
    { environment: { SEMAROUTE_PORT: "tcp://10.0.0.1:80" }, line: "env:SEMAROUTE_PORT: ignored: the value is a Kubernetes service link" },
    { environment: { SEMAROUTE_SERVER: "1" }, line: expect.stringMatching(/^env:SEMAROUTE_SERVER: ignored: no such setting/) },
  ])("$environment", ({ environment, line }) => {
    const result = loaded("server: {port: 5}\n", environment);
    expect(warningsOf("server: {port: 5}\n", environment)).toEqual([line]);
    expect(result.settings.server.port).toBe(5);
  });

  test("but not one that the file asks for, or that is ours and no setting", () => {
    const environment = { SEMAROUTE_TEAM_KEY: "k", SEMAROUTE_NODE: "/usr/bin/node", SEMAROUTE_CONFIG: "config.yaml" };
    expect(warningsOf('auth: {keys: [{name: a, key: "${SEMAROUTE_TEAM_KEY}"}]}\n', environment)).toEqual([]);
  });
});
