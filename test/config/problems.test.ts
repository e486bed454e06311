import { describe, expect, test } from "vitest";

import { problemsOf } from "./workspace.ts";

interface Case {
  readonly name: string;
  readonly text: string;
  readonly lines: readonly string[];
}

const withProviders = "providers: {openai: {api_key: k}, anthropic: {api_key: k}}\n";

const cases: readonly Case[] = [
  { name: "an unknown setting at the top", text: "servr: {}\n", lines: ["1:1 servr: unknown setting; did you mean server?"] },
  {
    name: "an unknown setting in a section",
    text: "server:\n  host: 127.0.0.1\n  prot: 1\n",
    lines: ["3:3 server.prot: unknown setting; did you mean port?"],
  },
  {
    name: "an unknown setting two sections deep",
    text: "observability:\n  logging: {levle: info}\n",
    lines: ["2:13 observability.logging.levle: unknown setting; did you mean level?"],
  },
  {
    name: "an unknown setting of a provider",
    text: "providers:\n  ollama:\n    basurl: http://x\n",
    lines: ["3:5 providers.ollama.basurl: unknown setting; did you mean base_url?"],
  },
  {
    name: "an unknown setting of a model record",
    text: "providers:\n  ollama:\n    models:\n      - llama\n      - {id: a, upsteam: b}\n",
    lines: ["5:17 providers.ollama.models[1].upsteam: unknown setting; did you mean upstream?"],
  },
  {
    name: "an unknown setting of a key",
    text: "auth:\n  keys:\n    - name: a\n      key: b\n      modles: []\n",
    lines: ["5:7 auth.keys[0].modles: unknown setting; did you mean models?"],
  },
  {
    name: "an unknown setting of a key's limits",
    text: "auth:\n  keys:\n    - {name: a, key: b, limits: {request_per_minute: 1}}\n",
    lines: ["3:34 auth.keys[0].limits.request_per_minute: unknown setting; did you mean requests_per_minute?"],
  },
  {
    name: "an unknown setting of an alias",
    text: `${withProviders}models:\n  fast:\n    targets: [openai/a]\n    target: x\n`,
    lines: ["5:5 models.fast.target: unknown setting; did you mean targets?"],
  },
  {
    name: "an unknown setting of a policy",
    text: "routing_policy:\n  type: cost_based\n  confg: {}\n",
    lines: ["3:3 routing_policy.confg: unknown setting; did you mean config?"],
  },
  {
    name: "an unknown setting of a policy's kind",
    text: "routing_policy:\n  type: cost_based\n  config:\n    cost_wieght: 1\n",
    lines: ["4:5 routing_policy.config.cost_wieght: unknown setting; did you mean cost_weight?"],
  },
  {
    name: "an unknown setting without a value",
    text: "server:\n  prot:\n",
    lines: ["2:3 server.prot: unknown setting; did you mean port?"],
  },
  {
    name: "an unknown section that is empty",
    text: "sever: {}\nmodel: []\n",
    lines: ["1:1 sever: unknown setting; did you mean server?", "2:1 model: unknown setting; did you mean models?"],
  },
  { name: "an unknown setting that is like nothing", text: "zebra: 1\n", lines: ["1:1 zebra: unknown setting"] },
  { name: "a setting called like a trap", text: "__proto__: {a: 1}\n", lines: ["1:1 __proto__: unknown setting"] },
  {
    name: "text where a number belongs",
    text: "server:\n  port: eighty\n",
    lines: ['2:9 server.port: expected a whole number from 0 to 65535, got "eighty"'],
  },
  {
    name: "a port that is too large",
    text: "server: {port: 65536}\n",
    lines: ['1:16 server.port: expected a whole number from 0 to 65535, got "65536"'],
  },
  { name: "a negative port", text: "server: {port: -1}\n", lines: ['1:16 server.port: expected a whole number from 0 to 65535, got "-1"'] },
  {
    name: "a duration without a unit",
    text: "server:\n  drain_timeout: 30\n",
    lines: ['2:18 server.drain_timeout: expected a duration such as 250ms, 30s, 5m or 1h, got "30"'],
  },
  {
    name: "a timeout of 0",
    text: "health: {timeout: 0s}\n",
    lines: ['1:19 health.timeout: expected a duration above 0 such as 250ms, 30s, 5m or 1h, got "0s"'],
  },
  {
    name: "a size in a wrong unit",
    text: "server: {max_body: 16Mx}\n",
    lines: ['1:20 server.max_body: expected a size such as 512KiB or 16MiB, got "16Mx"'],
  },
  {
    name: "a word that is not one of the words",
    text: "cache: {mode: determinstic}\n",
    lines: ['1:15 cache.mode: expected one of deterministic, all, on_request, got "determinstic"; did you mean deterministic?'],
  },
  { name: "a flag that is no flag", text: "cache: {enabled: yes}\n", lines: ['1:18 cache.enabled: expected true or false, got "yes"'] },
  {
    name: "a flag in other letters",
    text: "cache: {enabled: True}\n",
    lines: ['1:18 cache.enabled: expected true or false, got "True"; did you mean true?'],
  },
  {
    name: "a line that is too far to the right, once",
    text: "cache:\n ttl: 5m\n  mode: all\n",
    lines: ["2:7: not valid YAML: nested mappings are not allowed in compact mappings"],
  },
  { name: "a scalar where a section belongs", text: "server: 8080\n", lines: ['1:9 server: expected a map, got "8080"'] },
  { name: "a list where a section belongs", text: "server: [8080]\n", lines: ["1:9 server: expected a map, got a list"] },
  {
    name: "a section where a scalar belongs",
    text: "server: {port: {a: 1}}\n",
    lines: ["1:16 server.port: expected a whole number from 0 to 65535, got a map"],
  },
  { name: "a list of settings", text: "- server\n", lines: ["1:1: expected a map of settings"] },
  {
    name: "a scalar where a list belongs",
    text: "server: {cors: {allowed_origins: '*'}}\n",
    lines: ['1:34 server.cors.allowed_origins: expected a list, got "*"'],
  },
  {
    name: "an origin with a path",
    text: "server:\n  cors:\n    allowed_origins: ['*', 'https://a.example/b']\n",
    lines: ['3:28 server.cors.allowed_origins[1]: expected an origin such as https://app.example.com, or "*", got "https://a.example/b"'],
  },
  {
    name: "a setting that is set twice",
    text: "server:\n  port: 1\n  port: 2\n",
    lines: ["3:3 server.port: set twice"],
  },
  { name: "broken YAML", text: "server:\n  port: [1\n", lines: [expect.stringMatching(/^\d+:\d+: not valid YAML: flow sequence/)] },
  {
    name: "an alias without its anchor",
    text: "server: *base\n",
    lines: [expect.stringMatching(/^1:9.*base/)],
  },
  {
    name: "a variable that is not set",
    text: 'providers:\n  openai:\n    api_key: "${NOT_SET}"\n',
    lines: ["3:14 providers.openai.api_key: the variable NOT_SET is not set, and has no default"],
  },
  {
    name: "half a variable",
    text: 'auth: {keys: [{name: a, key: "x${"}]}\n',
    lines: [expect.stringMatching(/^1:30 auth\.keys\[0\]\.key: "\$\{" does not begin a variable/)],
  },
  {
    name: "a key without its value",
    text: "auth:\n  keys:\n    - name: a\n    - {name: b, key: c}\n",
    lines: ["3:7 auth.keys[0].key: is required"],
  },
  {
    name: "two keys of one name",
    text: "auth:\n  keys:\n    - {name: a, key: one}\n    - {name: a, key: two}\n",
    lines: ['4:14 auth.keys[1].name: there is another key called "a"'],
  },
  {
    name: "two keys of one value, which is not told",
    text: "auth:\n  keys:\n    - {name: a, key: one}\n    - {name: b, key: one}\n",
    lines: ['4:22 auth.keys[1].key: the key "a" has the same value'],
  },
  {
    name: "a key that no header can carry",
    text: 'auth:\n  keys:\n    - {name: a, key: "one two"}\n',
    lines: ["3:22 auth.keys[0].key: expected visible ASCII characters without spaces"],
  },
  {
    name: "a name of a key that no log likes",
    text: "auth:\n  keys:\n    - {name: 'a b', key: c}\n",
    lines: [expect.stringMatching(/^3:14 auth\.keys\[0\]\.name: expected at most 64 letters/)],
  },
  {
    name: "a provider whose type nobody knows",
    text: "providers:\n  mine: {type: opnai}\n",
    lines: ['2:16 providers.mine.type: there is no provider type "opnai"; did you mean openai?'],
  },
  {
    name: "a provider whose type is like no other",
    text: "providers:\n  mine: {type: mock}\n",
    lines: [expect.stringMatching(/^2:16 providers\.mine\.type: there is no provider type "mock"; there are .*openai_compatible/)],
  },
  {
    name: "a provider without a type",
    text: "providers:\n  opnai: {api_key: k}\n",
    lines: ['2:3 providers.opnai.type: is required, for "opnai" is not a type itself; did you mean openai?'],
  },
  {
    name: "a provider with a slash in its name",
    text: "providers:\n  a/b: {type: ollama}\n",
    lines: [expect.stringMatching(/^2:3 providers\.a\/b: expected a name/)],
  },
  {
    name: "a provider nobody could call",
    text: "providers:\n  mine:\n    type: openai_compatible\n",
    lines: ["2:3 providers.mine.base_url: is required for type openai_compatible"],
  },
  {
    name: "an Azure resource that is not named",
    text: "providers:\n  azure_openai: {api_key: k, api_version: '2024-10-21', models: [m]}\n",
    lines: ["2:3 providers.azure_openai.base_url: is required for type azure_openai"],
  },
  {
    name: "a version where there is only one",
    text: "providers:\n  cohere: {api_key: k, api_version: '2024-10-21'}\n",
    lines: ["2:24 providers.cohere.api_version: belongs to type azure_openai, and this is cohere"],
  },
  {
    name: "a base URL that is none",
    text: "providers:\n  ollama: {base_url: 'localhost:11434'}\n",
    lines: [
      '2:22 providers.ollama.base_url: expected an http:// or https:// URL without credentials, query or fragment, got "localhost:11434"',
    ],
  },
  {
    name: "a simulated provider's setting at a real one",
    text: "providers:\n  ollama: {reply: echo}\n",
    lines: ["2:12 providers.ollama.reply: belongs to type simulated, and this is ollama"],
  },
  {
    name: "a model listed twice",
    text: "providers:\n  ollama: {models: [a, {id: a}]}\n",
    lines: ['2:24 providers.ollama.models[1]: "a" is listed twice'],
  },
  {
    name: "a target at nobody's",
    text: `${withProviders}models:\n  fast: {targets: [openai/a, antropic/b]}\n`,
    lines: ['3:30 models.fast.targets[1]: there is no provider "antropic"; did you mean anthropic/b?'],
  },
  {
    name: "a target without a provider",
    text: `${withProviders}models:\n  fast: {targets: [gpt]}\n`,
    lines: ['3:20 models.fast.targets[0]: expected provider/model, got "gpt"'],
  },
  { name: "an alias without targets", text: `${withProviders}models:\n  fast: {}\n`, lines: ["3:3 models.fast.targets: is required"] },
  {
    name: "weights that are all 0",
    text: "routing_policy:\n  config: {cost_weight: 0, latency_weight: 0, health_weight: 0}\n",
    lines: ["2:25 routing_policy.config.cost_weight: all weights are 0, so nothing tells targets apart"],
  },
  {
    name: "a negative weight",
    text: "routing_policy:\n  config: {cost_weight: -1}\n",
    lines: ['2:25 routing_policy.config.cost_weight: expected a number of at least 0, got "-1"'],
  },
  {
    name: "a policy of no kind",
    text: "routing_policy: {type: cheapest}\n",
    lines: [
      '1:24 routing_policy.type: expected one of cost_based, failover, weighted, latency, least_busy, experiment, rules, got "cheapest"',
    ],
  },
  {
    name: "failover without a primary",
    text: "routing_policy: {type: failover}\n",
    lines: ["1:1 routing_policy.config.primary_provider: is required"],
  },
  {
    name: "failover between providers nobody configured",
    text: `${withProviders}routing_policy:\n  type: failover\n  config:\n    primary_provider: opnai\n    backup_providers: [antropic]\n`,
    lines: [
      '5:23 routing_policy.config.primary_provider: there is no provider "opnai"; did you mean openai?',
      '6:24 routing_policy.config.backup_providers[0]: there is no provider "antropic"; did you mean anthropic?',
    ],
  },
  {
    name: "a primary as its own backup, and a backup twice",
    text: `${withProviders}routing_policy: {type: failover, config: {primary_provider: openai, backup_providers: [openai, anthropic, anthropic]}}\nmodels: {m: {targets: [openai/a, anthropic/b]}}\n`,
    lines: [
      '2:88 routing_policy.config.backup_providers[0]: "openai" is the primary already',
      '2:107 routing_policy.config.backup_providers[2]: "anthropic" is listed twice',
    ],
  },
  {
    name: "a certificate without its key",
    text: "server:\n  tls: {cert_file: none.pem}\n",
    lines: ["2:3 server.tls.key_file: is required for TLS", "2:20 server.tls.cert_file: cannot be read: no such file"],
  },
  {
    name: "an admin host without a port",
    text: "admin:\n  host: 127.0.0.1\n",
    lines: ["1:1 admin.port: is required where admin.host is set"],
  },
];

describe("a configuration is refused for", () => {
  test.for(cases)("$name", ({ text, lines }) => {
    const expected = lines.map((line) => (typeof line === "string" ? `config.yaml:${line}` : line));
    const found = problemsOf(text);
    expect(found.map((line, index) => (typeof lines[index] === "string" ? line : line.replace("config.yaml:", "")))).toEqual(expected);
  });
});
