/** Several processes on one PostgreSQL, which is ill-treated meanwhile. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { RoutingPolicySchema } from "../../src/core/chat.ts";
import { adminClient } from "../support/admin-client.ts";
import { noOwnPostgres, type OwnPostgres, startPostgres } from "../support/postgres.ts";
import { type ServerProcess, startServer } from "../support/server.ts";
import { doorClient, Refused } from "./doors.ts";

const config = `
admin: {token: secret}
providers:
  cheap: {type: simulated, first_token: 5ms, tokens_per_second: 100000, models: [{id: m, input_price: 1, output_price: 1}]}
  long: {type: simulated, first_token: 1ms, tokens_per_second: 50, reply: "tokens:100000", models: [{id: l, input_price: 1, output_price: 1}]}
  fast: {type: simulated, first_token: 1ms, tokens_per_second: 100000, models: [{id: m, input_price: 9, output_price: 9}]}
`;

let postgres: OwnPostgres;
beforeAll(async () => {
  if (noOwnPostgres === undefined) postgres = await startPostgres();
});
afterAll(() => postgres?.[Symbol.asyncDispose]());

/** A replica; its data folder, with the journal, outlives it where it is named. */
function start(url: string, data?: string, more = ""): Promise<ServerProcess> {
  return startServer(`${config}${more}`, { SEMAROUTE_STORE_URL: url }, data === undefined ? {} : { prelude: `ln -s ${data} data` });
}

function dataFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "semaroute-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const ask = async ({ url }: ServerProcess): Promise<string> => {
  const { headers } = await doorClient("REST").ask(url, { model: "m" });
  return headers.get("x-semaroute-decision") ?? "";
};
const isAway = ({ message }: Readonly<Record<string, unknown>>): boolean => String(message).startsWith("the store is away");
const isBack = ({ message }: Readonly<Record<string, unknown>>): boolean => message === "the store is back";
const failover = create(RoutingPolicySchema, {
  kind: { case: "failover", value: { primaryProvider: "fast", backupProviders: ["cheap"] } },
});
const soon = { timeout: 20_000, interval: 100 };
const rows = "select id, text::json ->> 'replica' as replica from decisions";

describe.skipIf(noOwnPostgres !== undefined)("two processes on one database", () => {
  test("start at once, know each other's decisions, and route by one policy", async () => {
    const url = await postgres.createDatabase();
    const [first, second] = await Promise.all([start(url), start(url)]);
    await using one = first;
    await using other = second;
    const ids = [await ask(one), await ask(other)];
    for (const each of [one, other])
      await expect
        .poll(async () => (await adminClient(each).listDecisions({})).decisions.map(({ id }) => id).toSorted(), soon)
        .toEqual(ids.toSorted());
    expect(new Set((await postgres.run(url, rows)).map(({ replica }) => replica)).size).toBe(2);

    const before = (await adminClient(other).getPolicy({})).policy?.revision ?? "";
    const swapped = await adminClient(one).swapPolicy({ policy: failover, expectedRevision: before });
    await expect
      .poll(async () => (await doorClient("REST").ask(other.url, { model: "m" })).headers.get("x-semaroute-policy"), soon)
      .toBe(swapped.policy?.revision);
    const late = adminClient(other).swapPolicy({ policy: { kind: { case: "leastBusy", value: {} } }, expectedRevision: before });
    await expect(late).rejects.toMatchObject({ code: Code.Aborted });
    for (const each of [one, other]) expect(await each.stop()).toBe(0);
  });
});

describe.skipIf(noOwnPostgres !== undefined)("a key of two processes on one database", () => {
  const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` });
  const outcome = async ({ url }: ServerProcess, secret: string): Promise<string> => {
    try {
      await doorClient("REST").ask(url, { model: "m", headers: bearer(secret) });
      return "ok";
    } catch (thrown) {
      if (thrown instanceof Refused) return thrown.word;
      throw thrown;
    }
  };

  test("opens both doors at once, is made once by one request, and its end cuts what runs on the other", async () => {
    const url = await postgres.createDatabase();
    const [first, second] = await Promise.all([start(url), start(url)]);
    await using one = first;
    await using other = second;
    const request = { name: "team", requestId: "ticket\0-1" };
    const made = await Promise.all([one, other, one, other].map((each) => adminClient(each).createKey(request)));
    expect(new Set(made.map(({ key }) => key?.id)).size).toBe(1);
    const secrets = made.map(({ secret }) => secret).filter((secret) => secret !== "");
    expect(secrets).toHaveLength(1);
    const [secret = ""] = secrets;
    expect([await outcome(one, secret), await outcome(other, secret)]).toEqual(["ok", "ok"]);
    let text = "";
    const question = { model: "long/l", headers: bearer(secret), onText: (piece: string) => void (text += piece) };
    const ended = doorClient("SSE")
      .ask(other.url, question)
      .catch((thrown: unknown) => thrown);
    await expect.poll(() => text, soon).not.toBe("");
    await adminClient(one).revokeKey({ id: made[0]?.key?.id ?? "" });
    expect(await outcome(one, secret)).toBe("invalid_api_key");
    expect(await ended).toMatchObject({ word: "invalid_api_key" });
    expect(await outcome(other, secret)).toBe("invalid_api_key");
  }, 40_000);

  test("that is known goes on while the database is away, another is not called wrong, and nothing is changed", async () => {
    const url = await postgres.createDatabase();
    await using server = await start(url);
    await using maker = await start(url);
    const known = await adminClient(server).createKey({ name: "known" });
    expect(await outcome(server, known.secret)).toBe("ok");
    const unknown = await adminClient(maker).createKey({ name: "unknown" });
    await postgres.crash();
    try {
      expect([await outcome(server, known.secret), await outcome(server, unknown.secret)]).toEqual(["ok", "store_unavailable"]);
      const id = known.key?.id ?? "";
      for (const change of [
        () => adminClient(server).createKey({ name: "x" }),
        () => adminClient(server).updateKey({ id, name: "y" }),
        () => adminClient(server).revokeKey({ id }),
      ])
        await expect(change()).rejects.toMatchObject({ code: Code.Unavailable });
    } finally {
      await postgres.restart();
    }
    await expect.poll(() => outcome(server, unknown.secret), soon).toBe("ok");
    expect(await outcome(server, known.secret)).toBe("ok");
  }, 40_000);
});

describe.skipIf(noOwnPostgres !== undefined)("a database that goes away under a process", () => {
  test("by standing still costs calls nothing, and has their decisions afterwards", async () => {
    const url = await postgres.createDatabase();
    await using server = await start(url);
    const ids = [await ask(server)];
    postgres.freeze();
    try {
      const until = performance.now() + 2000;
      let slowest = 0;
      while (performance.now() < until) {
        const began = performance.now();
        ids.push(await ask(server));
        slowest = Math.max(slowest, performance.now() - began);
      }
      // The slowest of some hundred on a busy machine; a wait for the database would be seconds.
      expect(slowest).toBeLessThan(1000);
    } finally {
      postgres.thaw();
    }
    await expect.poll(async () => (await postgres.run(url, rows)).map(({ id }) => String(id)).toSorted(), soon).toEqual(ids.toSorted());
  });

  test("and is away when the process is killed gets every decision from the next one, once", async () => {
    const url = await postgres.createDatabase();
    const data = dataFolder();
    const ids: string[] = [];
    {
      await using server = await start(url, data);
      ids.push(await ask(server));
      await postgres.crash();
      for (let each = 0; each < 20; each++) ids.push(await ask(server));
      await server.logged(isAway);
      // What was told of is kept: a list waits for what has been noted.
      expect((await adminClient(server).listDecisions({ pageSize: 100 })).decisions).toHaveLength(21);
      await server.stop("SIGKILL");
    }
    {
      // Whether there were keys, nobody can tell it: an open door has to be said to be one.
      await using server = await start(url, data, "auth: {required: false}\n");
      await server.logged(isAway);
      for (let each = 0; each < 5; each++) ids.push(await ask(server));
      await postgres.restart();
      await server.logged(isBack);
      await expect.poll(async () => (await postgres.run(url, rows)).map(({ id }) => String(id)).toSorted(), soon).toEqual(ids.toSorted());
    }
  });

  test("and is away when the process is stopped loses nothing either, and a change of policy is refused meanwhile", async () => {
    const url = await postgres.createDatabase();
    const data = dataFolder();
    let last: string;
    {
      await using server = await start(url, data);
      await postgres.crash();
      last = await ask(server);
      await expect(adminClient(server).swapPolicy({ policy: failover })).rejects.toMatchObject({ code: Code.Unavailable });
      expect(await server.stop()).toBe(0);
    }
    await postgres.restart();
    await using server = await start(url, data);
    await expect.poll(async () => (await postgres.run(url, rows)).map(({ id }) => id), soon).toEqual([last]);
    expect((await adminClient(server).getPolicy({})).policy?.number).toBe(1n);
  });
});

test.skipIf(noOwnPostgres !== undefined)("a wrong password ends the start with 1 and one line, without it", async () => {
  const url = (await postgres.createDatabase()).replace("secret", "swordfish");
  const complaint = await start(url).then(
    () => "it started",
    (error: unknown) => String(error),
  );
  expect(complaint).toContain("ended with 1");
  expect(complaint).toContain("it refuses the user or the password");
  expect(complaint).not.toContain("swordfish");
});
