import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseArguments } from "../../src/cli/arguments.ts";
import { keyCommand } from "../../src/cli/key.ts";
import { build, folderWith } from "../config/workspace.ts";
import { type House, openHouse } from "../e2e/house.ts";

const config =
  "providers: {a: {type: simulated}}\nadmin: {token: admin}\nauth: {keys: [{name: file, key: key-of-file, models: [sim-chat]}]}\n";
const nowWall = Date.UTC(2040, 0, 1);

let house: House;
beforeAll(async () => {
  house = await openHouse(config);
});
afterAll(() => house[Symbol.asyncDispose]());

async function run(line: string, url = house.url): Promise<{ code: number; lines: string[] }> {
  const command = parseArguments(["key", ...line.split(" "), "--url", url]);
  if (command.kind !== "key") throw new Error(JSON.stringify(command));
  const lines: string[] = [];
  const write = (text: string): void => void lines.push(text);
  const code = await keyCommand({ ...build, environment: {}, cwd: folderWith({ "config.yaml": config }), command, nowWall, write });
  return { code, lines };
}
const statusOf = async (secret: string): Promise<number> =>
  (await fetch(`${house.url}/v1/models`, { headers: { authorization: `Bearer ${secret}` } })).status;

test("a key is issued, listed, changed and revoked", async () => {
  const made = await run(
    "create team --models sim-chat,sim-embed --label tier=gold --label x=a=b --expires 90d --priority low --budget 2.5",
  );
  expect(made).toEqual({
    code: 0,
    lines: [expect.stringMatching(/^key_\w+ \(team\); its secret is shown now and never again:$/), expect.stringMatching(/^sr_[\w-]{49}$/)],
  });
  const secret = made.lines[1] ?? "";
  const id = made.lines[0]?.split(" ")[0] ?? "";
  expect(await statusOf(secret)).toBe(200);
  expect(house.keys.find(id)).toMatchObject({ labels: { tier: "gold", x: "a=b" }, priority: 1, expireWall: nowWall + 90 * 86_400_000 });
  expect((await run("list")).lines.map((line) => line.replace(/ {2,}/g, "  "))).toEqual([
    "cfg_file  file  sim-chat",
    `${id}  ${secret.slice(0, 9)}  team  until 2040-03-31T00:00:00Z  sim-chat,sim-embed  $2.5 a month`,
  ]);
  const changed = await run(`update ${id} --models all --expires never --requests-per-minute 5 --concurrent-calls 2 --name other`);
  expect(changed.lines[0]?.replace(/ {2,}/g, "  ")).toBe(`${id}  ${secret.slice(0, 9)}  other  all models  5 requests/min, 2 at once`);
  expect(house.keys.find(id)).toMatchObject({ labels: { tier: "gold", x: "a=b" }, priority: 1, expireWall: undefined });
  expect((await run(`revoke ${id}`)).lines[0]).toMatch(/ revoked 20\d\d-/);
  expect(await statusOf(secret)).toBe(401);
  const listed = await run("list --json");
  expect(JSON.parse(listed.lines[0] ?? "")).toMatchObject({ keys: [{ id: "cfg_file" }, { id, name: "other" }] });
  expect(listed.lines[0]).not.toContain(secret);
});

describe("what cannot be is said in one line", () => {
  test.for([
    { line: "revoke key_none", code: 1, said: /^no key "key_none"$/ },
    { line: "revoke cfg_file", code: 1, said: /belongs to the configuration/ },
    { line: "create team --expires 2020-01-01T00:00:00Z", code: 78, said: /^expire_time is in the past$/ },
    { line: "create team --expires soon", code: 64, said: /'--expires soon' is no duration/ },
    { line: "create team --expires 90", code: 64, said: /'--expires 90' is no duration/ },
    { line: "create team --models a,,b", code: 78, said: /models\[1\]/ },
  ])("$line ends with $code", async ({ line, code, said }) => {
    const told = await run(line);
    expect(told.lines.join("\n")).toMatch(said);
    expect([told.code, told.lines.length]).toEqual([code, 1]);
  });
  test("a server that is not there", async () => {
    expect(await run("list", "http://127.0.0.1:1")).toMatchObject({ code: 1, lines: [expect.stringMatching(/^no server answers/)] });
  });
  test.for([
    "key create",
    "key sawp x",
    "key create x --label gold",
    "key create x --priority urgent",
    "key create x --budget much",
    "key revoke",
  ])("'%s' is bad usage", (line) => {
    expect(parseArguments(line.split(" ")).kind).toBe("usage");
  });
});
