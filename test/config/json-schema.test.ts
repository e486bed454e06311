import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { Ajv } from "ajv";
import { describe, expect, test } from "vitest";
import { parse, parseDocument } from "yaml";

import { fieldsOf } from "../../src/config/fields.ts";
import { configurationSchema, type JsonSchema } from "../../src/config/json-schema.ts";
import { policyKinds } from "../../src/config/policy-schema.ts";
import { type Path, pathText } from "../../src/config/problem.ts";
import { createReport } from "../../src/config/report.ts";
import { treeFromYaml } from "../../src/config/yaml.ts";
import { exampleWith, load } from "./workspace.ts";

const root = join(import.meta.dirname, "../..");
const schema = configurationSchema();
// Not in the standard; editors show it in the place of the pattern.
const validate = new Ajv({ allowUnionTypes: true, strictRequired: false, keywords: ["patternErrorMessage"] }).compile(schema);

/** What an editor would underline; undefined: nothing. */
function underlined(text: string): string | undefined {
  return validate(parse(text, { merge: true })) ? undefined : JSON.stringify(validate.errors);
}

test("the file of the package is what the program prints", () => {
  expect(JSON.parse(readFileSync(join(root, "config.schema.json"), "utf8"))).toEqual(schema);
});

describe("an editor underlines nothing in", () => {
  test("the example file", () => {
    expect(underlined(readFileSync(join(root, "config.example.yaml"), "utf8"))).toBeUndefined();
  });

  test.for(policyKinds)("the example file with all its comments, and the policy %s", (kind) => {
    expect(underlined(exampleWith(kind))).toBeUndefined();
  });

  const pages = ["README.md", ...readdirSync(join(root, "docs")).map((name) => `docs/${name}`)].filter((name) => name.endsWith(".md"));
  const snippets = pages.flatMap((page) =>
    [...readFileSync(join(root, page), "utf8").matchAll(/^```yaml\n([^]*?)^```/gm)].flatMap(([, text = ""], index) =>
      // Files of other programs.
      /^(?:version|managed|plugins|services|apiVersion):/m.test(text) ? [] : [{ place: `${page}, snippet ${index + 1}`, text }],
    ),
  );
  test.for(snippets)("$place", ({ text }) => expect(underlined(text)).toBeUndefined());
});

const provider = "providers: {openai: {api_key: k, models: [m]}}\n";

describe("schema and program take", () => {
  test.for([
    { name: "nothing", text: "" },
    { name: "sections that are not set", text: "server:\nauth: ~\nmodels:\nrouting_policy:\nstore: {url: ''}\ncache: {ttl: , mode: ''}\n" },
    { name: "a provider that is not set", text: "providers:\n  openai:\n  ollama: {}\n" },
    { name: "quoted numbers and flags", text: 'server: {port: "8080"}\ncache: {enabled: "true"}\nresilience: {retry: {budget: "0.5"}}\n' },
    {
      name: "variables anywhere",
      text: 'server: {port: "${PORT}", heartbeat: "${BEAT:-3s}", max_body: "${N:-1}MiB"}\ncache: {enabled: "${ON:-true}", mode: "${MODE:-all}"}\n',
    },
    { name: "durations of several parts, and a bare 0", text: "server: {drain_delay: 0, drain_timeout: 1m30s}\nhealth: {timeout: 1.5s}\n" },
    { name: "bytes as a number", text: "server: {max_body: 1000}\ncache: {max_bytes: 1.5 GiB}\n" },
    { name: "words that YAML reads as something else", text: "auth: {required: false}\nproviders: {simulated: {failure: 429}}\n" },
    { name: "a name that YAML reads as a number", text: "providers: {ollama: {models: [4.10, {id: 7}]}}\n" },
    { name: "a secret by a file", text: "auth: {keys: [{name: a, key_file: secret}]}\n" },
    {
      name: "settings of a provider's type",
      text: "providers: {bedrock: {api_key: k, region: eu-west-1}, a: {type: simulated, seed: 3}}\n",
    },
    { name: "merged maps", text: "providers:\n  a: &a {type: ollama, timeout: 3s}\n  b: {<<: *a, timeout: 4s}\n" },
    { name: "a policy by default", text: "routing_policy: {config: {cost_weight: 1}}\n" },
    {
      name: "policies in policies",
      text: `${provider}routing_policy: {type: rules, config: {rules: [{name: a, when: "true", policy: {type: weighted, config: {weights: {openai: 1}}}}], otherwise: {type: experiment, config: {experiment: e, unit: "tag:t", arms: [{name: a, weight: 1, policy: {type: latency}}, {name: b, weight: "2", policy: {}}]}}}}\n`,
    },
  ])("$name", ({ text }) => {
    const { kind } = load(text, { PORT: "1" }, { secret: "s" });
    expect([kind, underlined(text)]).toEqual(["loaded", undefined]);
  });
});

describe("schema and program refuse", () => {
  test.for([
    { name: "an unknown section", text: "servr: {}\n" },
    { name: "an unknown setting", text: "server: {prot: 1}\n" },
    { name: "an unknown setting of a model", text: "providers: {ollama: {models: [{id: a, upsteam: b}]}}\n" },
    { name: "an unknown setting of a key", text: "auth: {keys: [{name: a, key: b, modles: []}]}\n" },
    { name: "a list where a map belongs", text: "server: [1]\n" },
    { name: "a map where a list belongs", text: "auth: {keys: {a: b}}\n" },
    { name: "a map where text belongs", text: "server: {host: {a: b}}\n" },
    { name: "text where a number belongs", text: "server: {port: eighty}\n" },
    { name: "a number out of bounds", text: "server: {port: 65536}\n" },
    { name: "half a number", text: "resilience: {max_attempts: 1.5}\n" },
    { name: "a flag that is a word", text: "cache: {enabled: yes}\n" },
    { name: "a duration without a unit", text: "cache: {ttl: 5}\n" },
    { name: "a duration in words", text: "server: {heartbeat: 30 seconds}\n" },
    { name: "a size in words", text: "server: {max_body: 16 megabytes}\n" },
    { name: "a size of nothing", text: "server: {max_body: 0}\n" },
    { name: "a word that is none of the words", text: "cache: {mode: deterministc}\n" },
    { name: "a failure that is none", text: "providers: {simulated: {failure: 501}}\n" },
    { name: "a reply that is none", text: "providers: {simulated: {reply: tokens}}\n" },
    { name: "a type of provider that is none", text: "providers: {a: {type: opnai}}\n" },
    { name: "a URL of another kind", text: "providers: {ollama: {base_url: localhost}}\n" },
    { name: "a store of another kind", text: "store: {url: 'mysql://x'}\n" },
    { name: "an origin that is none", text: "server: {cors: {allowed_origins: [example]}}\n" },
    { name: "another type's setting", text: "providers: {a: {type: ollama, region: eu-west-1}}\n" },
    { name: "a key without a name", text: "auth: {keys: [{key: b}]}\n" },
    { name: "a key without its secret", text: "auth: {keys: [{name: a}]}\n" },
    { name: "a secret with spaces", text: "auth: {keys: [{name: a, key: b c}]}\n" },
    { name: "a model without a name", text: "providers: {ollama: {models: [{kind: chat}]}}\n" },
    { name: "a policy that is none", text: "routing_policy: {type: cheapest}\n" },
    { name: "another policy's setting", text: "routing_policy: {type: latency, config: {weights: {openai: 1}}}\n" },
    { name: "a setting that least_busy has not", text: "routing_policy: {type: least_busy, config: {a: 1}}\n" },
    { name: "a failover without a primary", text: "routing_policy: {type: failover}\n" },
    { name: "a negative weight", text: `${provider}routing_policy: {type: weighted, config: {weights: {openai: -1}}}\n` },
    {
      name: "an experiment with one arm",
      text: "routing_policy: {type: experiment, config: {experiment: e, arms: [{name: a, weight: 1, policy: {}}]}}\n",
    },
    {
      name: "a unit that is none",
      text: "routing_policy: {type: experiment, config: {experiment: e, unit: team, arms: [{name: a, weight: 1, policy: {}}, {name: b, weight: 1, policy: {}}]}}\n",
    },
    { name: "rules without an end", text: "routing_policy: {type: rules, config: {rules: []}}\n" },
    {
      name: "a mistake in a policy's policy",
      text: "routing_policy: {type: rules, config: {otherwise: {type: latency, config: {decai: 1s}}}}\n",
    },
  ])("$name", ({ text }) => {
    expect([load(text).kind, underlined(text) === undefined]).toEqual(["refused", false]);
  });
});

/** A file with one of everything that has names or places of its own. */
const rich = `auth: {keys: [{name: a, key: b, limits: {}}]}
providers: {openai: {type: openai, api_key: k, models: [{id: m}]}, sim: {type: simulated}, aws: {type: bedrock, api_key: k, region: r}}
models: {fast: {targets: [openai/m]}}
routing_policy: {type: cost_based, config: {}}
`;
const fields = fieldsOf(treeFromYaml(rich, createReport(undefined)) ?? expect.fail("not a map")).map(({ path }) => path);

test.for(fields.map((path) => ({ name: pathText(path), path })))("what the program takes at $name, the schema takes", ({ path }) => {
  const values = [null, "", "a", "a b", "auto", true, 0, 1, -1, 0.5, 70_000, 429, "3s", "2MiB", "https://a.example", "sqlite:a", "${V}"];
  for (const value of values) {
    const document = parseDocument(rich);
    document.setIn(path, value);
    if (validate(document.toJS())) continue;
    const text = document.toString();
    expect([text, load(text, { V: "1" }).kind], JSON.stringify(validate.errors)).toEqual([text, "refused"]);
  }
});

/** All that the schema says of what stands at the path. */
function toldOf(here: JsonSchema, path: Path): JsonSchema[] {
  const ways = [here, ...(here.allOf ?? []), ...(here.anyOf ?? []), here.then].flatMap((each) => (typeof each === "object" ? [each] : []));
  const all = ways.flatMap((way) => (way === here ? [way] : toldOf(way, [])));
  const resolved = all.flatMap((each) => (each.$ref === undefined ? [each] : [each, ...toldOf(definition(each.$ref), [])]));
  const [step, ...rest] = path;
  if (step === undefined) return resolved;
  return resolved.flatMap(({ properties, additionalProperties, items }) =>
    [typeof step === "number" ? items : (properties?.[step] ?? additionalProperties)].flatMap((next) =>
      typeof next === "object" && !Array.isArray(next) ? toldOf(next, rest) : [],
    ),
  );
}

function definition(reference: string): JsonSchema {
  return schema.definitions[reference.replace("#/definitions/", "")] ?? expect.fail(`${reference} leads nowhere`);
}

test.for(fields.map((path) => ({ name: pathText(path), path })))("an editor can say what $name is", ({ path }) => {
  // An item of a list is what the list says.
  const told = toldOf(schema, typeof path.at(-1) === "number" ? path.slice(0, -1) : path);
  expect(told.flatMap(({ description }) => description ?? [])).not.toEqual([]);
});

test("defaults are written as the file writes them", () => {
  const defaults = [
    "server.port",
    "server.max_body",
    "server.heartbeat",
    "cache.enabled",
    "cache.mode",
    "auth.required",
    "resilience.retry.budget",
  ];
  expect(defaults.map((path) => toldOf(schema, path.split(".")).map((told) => told.default)[0])).toEqual([
    8080,
    "16MiB",
    "15s",
    true,
    "deterministic",
    "auto",
    0.2,
  ]);
});
