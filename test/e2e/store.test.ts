import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { beforeEach, describe, expect, test } from "vitest";
import { type Decision } from "../../gen/semaroute/v1/admin_pb.ts";
import { RoutingPolicySchema } from "../../src/core/chat.ts";
import { adminClient } from "../support/admin-client.ts";
import { type ServerProcess, startServer } from "../support/server.ts";
import { doorClient } from "./doors.ts";

const config = `
admin: {token: secret}
providers:
  cheap: {type: simulated, first_token: 5ms, tokens_per_second: 100000, models: [{id: m, input_price: 1, output_price: 1}]}
  fast: {type: simulated, first_token: 1ms, tokens_per_second: 100000, models: [{id: m, input_price: 9, output_price: 9}]}
`;

let path: string;
beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), "semaroute-"));
  path = join(folder, "store", "x.db");
  return () => rmSync(folder, { recursive: true, force: true });
});
const start = (more = ""): Promise<ServerProcess> => startServer(`${config}${more}`, { SEMAROUTE_STORE_URL: `sqlite:${path}` });

const ask = async (url: string): Promise<string> => {
  const { headers } = await doorClient("REST").ask(url, { model: "m" });
  return headers.get("x-semaroute-decision") ?? "";
};

async function allDecisions(url: string): Promise<Decision[]> {
  const found: Decision[] = [];
  let pageToken = "";
  do {
    const page = await adminClient({ url }).listDecisions({ pageSize: 100, pageToken });
    found.push(...page.decisions);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return found;
}

describe("a process that is killed in the middle of its load", () => {
  test("has kept every decision that was told of, once", async () => {
    const told = new Set<string>();
    {
      await using server = await start();
      const over = new AbortController();
      const load = Array.from({ length: 8 }, async () => {
        while (!over.signal.aborted) await ask(server.url).catch(() => over.abort());
      });
      for (let each = 0; each < 10; each++) {
        const { decisions } = await adminClient(server).listDecisions({ pageSize: 1000 });
        for (const { id } of decisions) told.add(id);
      }
      await server.stop("SIGKILL");
      await Promise.all(load);
    }
    expect(told.size).toBeGreaterThan(10);
    await using server = await start();
    const ids = (await allDecisions(server.url)).map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect([...told].filter((id) => !ids.includes(id))).toEqual([]);
  });

  test("has kept its policies, and its canary", async () => {
    const policy = create(RoutingPolicySchema, {
      kind: { case: "failover", value: { primaryProvider: "fast", backupProviders: ["cheap"] } },
    });
    {
      await using server = await start();
      await adminClient(server).swapPolicy({ policy, comment: "night" });
      await adminClient(server).swapPolicy({ policy: { kind: { case: "costBased", value: {} } }, share: 0.25 });
      await server.stop("SIGKILL");
    }
    await using server = await start();
    const kept = await adminClient(server).getPolicy({});
    expect(kept).toMatchObject({ policy: { number: 2n, author: "admin", comment: "night" }, canary: { number: 3n, share: 0.25 } });
    const { headers } = await doorClient("REST").ask(server.url, { model: "m" });
    expect([kept.policy?.revision, kept.canary?.revision]).toContain(headers.get("x-semaroute-policy"));
  });
});

test("a process that is stopped has kept the decision of its last call", async () => {
  let last: string;
  {
    await using server = await start();
    last = await ask(server.url);
    expect(await server.stop()).toBe(0);
  }
  await using server = await start();
  const { decision } = await adminClient(server).getDecision({ id: last });
  expect(decision).toMatchObject({ id: last, model: "m", attempts: [{ provider: "cheap", won: true }] });
  expect(decision?.candidates.map(({ rank, provider }) => [rank, provider])).toEqual([
    [1, "cheap"],
    [2, "fast"],
  ]);
});

test("a second process on the file is refused with one line, and exit 1", async () => {
  await using first = await start();
  const complaint = await start().then(
    () => "it started",
    (error: unknown) => String(error),
  );
  expect(complaint).toContain("ended with 1");
  expect(complaint.match(/another process has it open/g)?.length).toBeGreaterThanOrEqual(1);
  await ask(first.url);
});

test("a second process on the file that nobody asked for goes on in memory, and the log says so", async () => {
  const beside = { prelude: `mkdir -p ${dirname(path)} && ln -s ${dirname(path)} data` };
  await using first = await startServer(config, {}, beside);
  await using second = await startServer(config, {}, beside);
  await second.logged(({ level, message }) => level === "warn" && String(message).startsWith("nothing can be kept"));
  expect(first.lines.filter(({ level }) => level === "warn")).toEqual([]);
  for (const { url } of [first, second]) {
    const id = await ask(url);
    expect((await adminClient({ url }).getDecision({ id })).decision?.id).toBe(id);
  }
});

test("what is older than it is to be kept goes", async () => {
  await using server = await start("store: {retention: {decisions: 1ms}}\n");
  await ask(server.url);
  await adminClient(server).listDecisions({});
  expect(await server.stop()).toBe(0);
  await using second = await start("store: {retention: {decisions: 1ms}}\n");
  await expect.poll(async () => (await adminClient(second).listDecisions({})).decisions.length).toBe(0);
});

test("without a file that can be written beside the configuration, calls go on and the log says so", async () => {
  await using server = await startServer(config, { SEMAROUTE_ADMIN_TOKEN: "secret" }, { prelude: "touch data" });
  await server.logged(({ level, message }) => level === "warn" && String(message).startsWith("nothing can be kept"));
  const id = await ask(server.url);
  expect((await adminClient(server).getDecision({ id })).decision?.id).toBe(id);
});
