import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseArguments } from "../../src/cli/arguments.ts";
import { policyCommand } from "../../src/cli/policy.ts";
import { policyFromText } from "../../src/config/policy-file.ts";
import { examineOffline, explainOffline } from "../../src/offline.ts";
import { explain } from "../../src/cli/explain.ts";
import { build, folderWith } from "../config/workspace.ts";
import { openHouse } from "../e2e/house.ts";

const providers = "providers: {a: {type: simulated}, b: {type: simulated}}\nadmin: {token: admin}\n";

/** Runs a line in a folder with a configuration and some policies. */
async function run(line: string): Promise<{ code: number; lines: string[] }> {
  const cwd = folderWith({
    "config.yaml": providers,
    "good.yaml": "type: failover\nconfig: {primary_provider: a, backup_providers: [b]}\n",
    "bad.yaml": "type: failover\nconfig: {primary_provider: c}\n",
    "worse.yaml": "type: failvr\n",
    "odd.yaml": "type: failover\nconfig: {primary_provider: a, backups: [b]}\n",
    "api.json": '{"costBased": {"costWeight": 1}}',
    "api-odd.json": '{"costBased": {"weight": 1}}',
  });
  const argv = line.split(" ").map((word) => (/\.(yaml|json)$/.test(word) ? join(cwd, word) : word));
  const command = parseArguments(["policy", ...argv]);
  if (command.kind !== "policy") throw new Error(JSON.stringify(command));
  const lines: string[] = [];
  const write = (text: string): void => void lines.push(text.replaceAll(`${cwd}/`, ""));
  const code = await policyCommand({ ...build, environment: {}, cwd, command, examine: examineOffline, nowWall: Date.now(), write });
  return { code, lines };
}

describe("semaroute policy validate, without a server", () => {
  test.for([
    { line: "validate good.yaml", code: 0, last: /^policy is valid: revision [0-9a-f]{12}$/ },
    { line: "validate api.json", code: 0, last: /^policy is valid/ },
    { line: "validate", code: 0, last: /^policy is valid/ },
    { line: "validate bad.yaml", code: 78, last: /^policy is not valid$/ },
    { line: "validate worse.yaml", code: 78, last: /^worse\.yaml:1:7 type: expected one of/ },
    { line: "validate odd.yaml", code: 78, last: /^odd\.yaml:2:\d+ config\.backups: unknown setting$/ },
    { line: "validate api-odd.json", code: 78, last: /neither a policy as the configuration writes it/ },
    { line: "validate none.yaml", code: 78, last: /^none\.yaml: cannot be read: no such file$/ },
  ])("$line: $code", async ({ line, code, last }) => {
    const told = await run(line);
    expect(told.lines.at(-1)).toMatch(last);
    expect(told.code).toBe(code);
  });
});

test("against a server, a policy is tried, put in force, told of and taken back", async () => {
  await using house = await openHouse(providers);
  const at = `--url ${house.url}`;
  expect(await run(`validate bad.yaml ${at}`)).toMatchObject({ code: 78 });
  expect(await run(`simulate good.yaml ${at}`)).toEqual({ code: 0, lines: ["no decision to replay in that time"] });
  expect(await run(`swap good.yaml ${at} --dry-run`)).toMatchObject({ code: 0, lines: [expect.stringMatching(/^nothing was changed/)] });
  expect(await run(`swap good.yaml ${at} --expect 000000000000`)).toMatchObject({
    code: 1,
    lines: [expect.stringMatching(/^the active revision is/)],
  });
  expect(await run(`swap bad.yaml ${at}`)).toMatchObject({ code: 78 });
  expect(await run(`swap good.yaml ${at} --share 0.1`)).toMatchObject({
    code: 0,
    lines: [expect.stringContaining("tried on 10 % of the callers (number 2")],
  });
  expect(await run(`rollback ${at}`)).toMatchObject({ code: 0, lines: [expect.stringContaining("is active (number 1")] });
  expect(await run(`swap good.yaml ${at} --author ann --comment night`)).toMatchObject({ code: 0 });
  expect((await run(`history ${at}`)).lines[0]).toMatch(/^ {4}3 {2}[0-9a-f]{12} {2}\S+ {5}all {2}ann {2}night$/);
  expect(await run(`rollback 9 ${at}`)).toMatchObject({ code: 1, lines: ["no policy was activated as number 9"] });
  expect(await run(`rollback ${at} --json`)).toMatchObject({ code: 0, lines: [expect.stringMatching(/^\{"policy":/)] });
});

test.for([
  { line: "history --url http://127.0.0.1:1", code: 1, said: /^no server answers at http:\/\/127\.0\.0\.1:1/ },
  { line: "simulate good.yaml --since yesterday", code: 64, said: /no duration/ },
  { line: "rollback first", code: 64, said: /not the number of an activation/ },
])("$line ends with $code", async ({ line, code, said }) => {
  const told = await run(line);
  expect(told.lines.join("\n")).toMatch(said);
  expect(told.code).toBe(code);
});

test.for(["policy swap", "policy sawp x", "policy swap x --share 2", "policy simulate x --max many", "explain"])(
  "'%s' is bad usage",
  (line) => {
    expect(parseArguments(line.split(" ")).kind).toBe("usage");
  },
);

test("a policy may stand under routing_policy, as in the configuration", () => {
  expect(policyFromText("routing_policy: {type: cost_based}\n", "x")).toMatchObject({
    kind: "policy",
    policy: { kind: { case: "costBased" } },
  });
});

test.for([
  { model: "auto", code: 0, first: /^ {3}1 {2}a\/sim-chat {2}score 1\.000/ },
  { model: "nope", code: 1, first: /^model "nope" is not known here$/ },
  { model: "sim-caht", code: 1, first: /^model "sim-caht" is not known here; did you mean sim-chat\?$/ },
])("semaroute explain --model $model ends with $code", async ({ model, code, first }) => {
  const lines: string[] = [];
  const cwd = folderWith({ "config.yaml": providers });
  const write = (text: string): void => void lines.push(text);
  const input = { ...build, explicitPath: undefined, environment: {}, cwd, model, streamed: false, explain: explainOffline, write };
  expect(await explain(input)).toBe(code);
  expect(lines.at(code === 0 ? 1 : 0)).toMatch(first);
});
