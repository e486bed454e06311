/** Replicas that share a database and a Redis: what changes on one holds on the others long before they ask the database of their own accord. */
import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RoutingPolicy, RoutingPolicySchema } from "../../src/core/chat.ts";
import { adminClient } from "../support/admin-client.ts";
import { noOwnPostgres, type OwnPostgres, startPostgres } from "../support/postgres.ts";
import { hasRedis, type RedisServer, startRedis } from "../support/redis.ts";
import { type ServerProcess, startServer } from "../support/server.ts";
import { doorClient } from "./doors.ts";
import { until } from "./scene.ts";

const config = `
admin: {token: secret}
auth: {keys: [{name: own, key: own-key}]}
providers:
  long: {type: simulated, first_token: 1ms, tokens_per_second: 50, reply: "tokens:100000", models: [{id: l, input_price: 1, output_price: 1}]}
  cheap: {type: simulated, first_token: 1ms, tokens_per_second: 100000, models: [{id: m, input_price: 1, output_price: 1}]}
  fast: {type: simulated, first_token: 1ms, tokens_per_second: 100000, models: [{id: m, input_price: 9, output_price: 9}]}
`;

const canRun = noOwnPostgres === undefined && hasRedis;
let postgres: OwnPostgres;
let redis: RedisServer;
let [one, two]: ServerProcess[] = [];

function replicas(): [ServerProcess, ServerProcess] {
  if (one === undefined || two === undefined) throw new Error("they did not start");
  return [one, two];
}

beforeAll(async () => {
  if (!canRun) return;
  [postgres, redis] = await Promise.all([startPostgres(), startRedis()]);
  const url = await postgres.createDatabase();
  const text = `${config}redis: {url: "${redis.url}", timeout: 200ms}\n`;
  [one, two] = await Promise.all([1, 2].map(() => startServer(text, { SEMAROUTE_STORE_URL: url })));
  for (const server of replicas()) await server.logged(({ message }) => message === "redis is connected and answers");
}, 60_000);

afterAll(async () => {
  if (!canRun) return;
  await Promise.all(replicas().map((server) => server[Symbol.asyncDispose]()));
  await Promise.all([postgres[Symbol.asyncDispose](), redis[Symbol.asyncDispose]()]);
});

const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` });

describe.skipIf(!canRun)("two replicas with a database and a Redis", () => {
  test("cut a stream on one within a second of its key's end on the other, each time", { timeout: 40_000 }, async () => {
    const [a, b] = replicas();
    for (let round = 0; round < 4; round++) {
      const [ends, runs] = round % 2 === 0 ? [a, b] : [b, a];
      const { key, secret } = await adminClient(ends).createKey({ name: `team ${round}` });
      let text = "";
      const question = { model: "long/l", headers: bearer(secret), onText: (piece: string) => void (text += piece) };
      const ended = doorClient("SSE")
        .ask(runs.url, question)
        .catch((thrown: unknown) => thrown);
      await until(() => text !== "", "a piece of the stream");
      await adminClient(ends).revokeKey({ id: key?.id ?? "" });
      const startMs = performance.now();
      expect(await ended).toMatchObject({ word: "invalid_api_key" });
      // Of their own accord they look every eight to twelve seconds.
      expect(performance.now() - startMs).toBeLessThan(1000);
    }
  });

  test("route by a policy that was swapped, and rolled back, on the other within less than a second", { timeout: 40_000 }, async () => {
    const [a, b] = replicas();
    const inForce = async ({ url }: ServerProcess): Promise<string | null> =>
      (await doorClient("REST").ask(url, { model: "m", headers: bearer("own-key") })).headers.get("x-semaroute-policy");
    const to = (primaryProvider: string): RoutingPolicy =>
      create(RoutingPolicySchema, { kind: { case: "failover", value: { primaryProvider, backupProviders: ["long"] } } });
    let sumMs = 0;
    const rounds = 6;
    for (let round = 0; round < rounds; round++) {
      const [here, there] = round % 2 === 0 ? [a, b] : [b, a];
      const change =
        round % 3 === 2
          ? adminClient(here).rollbackPolicy({})
          : adminClient(here).swapPolicy({ policy: to(round % 2 === 0 ? "fast" : "cheap") });
      const { policy } = await change;
      sumMs += await until(async () => (await inForce(there)) === policy?.revision, "the other's policy");
    }
    // Of their own accord they look every two seconds, which would be a second in the mean.
    expect(sumMs / rounds).toBeLessThan(600);
  });

  test("tell nothing on the channels but that something changed", { timeout: 20_000 }, async () => {
    const [a] = replicas();
    const heard: string[] = [];
    const ear = redis.client.duplicate();
    ear.on("message", (channel: string, text: string) => heard.push(`${channel} ${text}`));
    await ear.subscribe("semaroute:keys", "semaroute:policies");
    try {
      const { key } = await adminClient(a).createKey({ name: "named-canary" });
      await adminClient(a).updateKey({ id: key?.id ?? "", name: "other-canary" });
      await adminClient(a).revokeKey({ id: key?.id ?? "" });
      await until(() => heard.length >= 3, "three messages");
      expect(new Set(heard)).toEqual(new Set(["semaroute:keys "]));
    } finally {
      ear.disconnect();
    }
  });
});
