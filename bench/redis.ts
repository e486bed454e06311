/** What Redis adds to a call: none, one that answers, and one that hangs. `node bench/redis.ts [CALLS]`; needs redis-server. */
import { startServer, type ServerProcess } from "../test/support/server.ts";
import { hasRedis, startRedis } from "../test/support/redis.ts";

const calls = Number(process.argv[2] ?? 2000);

async function measured(url: string, promptOf: (i: number) => string, key?: string): Promise<string> {
  const times: number[] = [];
  for (let i = 0; i < calls; i++) {
    const startMs = performance.now();
    const body = { model: "sim/sim-chat", max_tokens: 5, messages: [{ role: "user", content: promptOf(i) }] };
    const answer = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", ...(key !== undefined && { authorization: `Bearer ${key}` }) },
      body: JSON.stringify(body),
    });
    await answer.arrayBuffer();
    if (!answer.ok) throw new Error(`answered ${answer.status}`);
    times.push(performance.now() - startMs);
  }
  times.sort((a, b) => a - b);
  const at = (share: number): string => (times[Math.floor(share * (times.length - 1))] ?? Number.NaN).toFixed(2);
  return `${at(0.5)} | ${at(0.99)} | ${at(1)}`;
}

function started(more: string): Promise<ServerProcess> {
  const provider =
    "providers: {sim: {type: simulated, first_token: 0ms, tokens_per_second: 100000, reply: 'tokens:5', models: [{id: sim-chat, input_price: 1, output_price: 1}]}}";
  return startServer(`${provider}\nhealth: {probe: none}\n${more}`);
}

if (!hasRedis) process.exit(0);
const redis = await startRedis();
const shared = `cache: {mode: all, backend: redis}\nredis: {url: "${redis.url}"}`;
const print = (line: string): void => void process.stdout.write(`${line}\n`);
print(`| ${calls} calls one after the other, ms | p50 | p99 | max |\n|---|---|---|---|`);
{
  await using server = await started("cache: {mode: all}");
  await measured(server.url, (i) => `warm ${i}`);
  print(`| misses without Redis | ${await measured(server.url, (i) => `new ${i}`)} |`);
}
{
  await using server = await started(shared);
  await measured(server.url, (i) => `warm ${i}`);
  print(`| misses with Redis | ${await measured(server.url, (i) => `shared ${i}`)} |`);
  await using other = await started(shared);
  await other.logged(({ message }) => message === "redis is connected and answers");
  print(`| hits in Redis, in a replica that just started | ${await measured(other.url, (i) => `shared ${i}`)} |`);
  print(`| hits in memory | ${await measured(other.url, (i) => `shared ${i}`)} |`);
  redis.freeze();
  print(`| misses while Redis hangs | ${await measured(server.url, (i) => `frozen ${i}`)} |`);
  redis.thaw();
}
{
  const limits = "{requests_per_minute: 100000000, tokens_per_minute: 1000000000, concurrent_calls: 1000, budget_usd: 1000000}";
  const keys = `auth: {keys: [{name: free, key: free}, {name: limited, key: limited, limits: ${limits}}]}`;
  for (const [how, config] of [
    ["in this process", keys],
    ["in Redis", `${keys}\nredis: {url: "${redis.url}"}`],
  ] as const) {
    await using server = await started(config);
    await measured(server.url, (i) => `warm ${i}`, "free");
    print(`| without limits, which are ${how} | ${await measured(server.url, (i) => `free ${i}`, "free")} |`);
    await measured(server.url, (i) => `warm ${i}`, "limited");
    await redis.client.config("RESETSTAT");
    print(`| with all limits, ${how} | ${await measured(server.url, (i) => `limited ${i}`, "limited")} |`);
  }
  const [, commands = "0", us = "0"] = /cmdstat_evalsha:calls=(\d+),usec=(\d+)/.exec(await redis.client.info("commandstats")) ?? [];
  print(
    `\n${(Number(commands) / calls).toFixed(2)} scripts a limited call, ${(Number(us) / Number(commands)).toFixed(0)} µs of Redis each`,
  );
}
await redis[Symbol.asyncDispose]();
process.exit(0);
