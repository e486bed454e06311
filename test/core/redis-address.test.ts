import { describe, expect, test } from "vitest";
import { type RedisAddress, redisAddressFrom } from "../../src/core/redis-address.ts";

const one: RedisAddress = {
  kind: "single",
  hosts: [{ host: "h", port: 6379 }],
  tls: false,
  username: undefined,
  password: undefined,
  database: 0,
  master: undefined,
  sentinelUsername: undefined,
  sentinelPassword: undefined,
};

test.each<[string, Partial<RedisAddress>]>([
  ["redis://h", {}],
  ["redis://h/", {}],
  ["redis://h:7000/3", { hosts: [{ host: "h", port: 7000 }], database: 3 }],
  ["rediss://h", { tls: true }],
  ["redis://:p@h", { password: "p" }],
  ["redis://u:p%40%2F:q@h", { username: "u", password: "p@/:q" }],
  ["redis://u:a@b@h", { username: "u", password: "a@b" }],
  ["redis://[::1]:7000", { hosts: [{ host: "::1", port: 7000 }] }],
  [
    "redis+sentinel://u:p@a,b:1/main/2?sentinel_password=s%26t&sentinel_username=v",
    {
      kind: "sentinel",
      hosts: [
        { host: "a", port: 26_379 },
        { host: "b", port: 1 },
      ],
      username: "u",
      password: "p",
      master: "main",
      database: 2,
      sentinelUsername: "v",
      sentinelPassword: "s&t",
    },
  ],
  ["rediss+sentinel://h:6379/my-main", { kind: "sentinel", tls: true, master: "my-main" }],
  [
    "rediss+cluster://:p@a:1,[fe80::2]",
    {
      kind: "cluster",
      tls: true,
      password: "p",
      hosts: [
        { host: "a", port: 1 },
        { host: "fe80::2", port: 6379 },
      ],
    },
  ],
])("%s is understood", (url, more) => expect(redisAddressFrom(url)).toEqual({ ...one, ...more }));

describe("what is no address is refused, and not repeated:", () => {
  test.each([
    ["http://canary", /expected redis:\/\//],
    ["redis:canary", /expected redis:\/\//],
    ["redis+sentry://canary/main", /expected redis:\/\//],
    ["redis://", /HOST or HOST:PORT/],
    ["redis://canary:99999", /HOST or HOST:PORT/],
    ["redis://canary:port", /HOST or HOST:PORT/],
    ["redis://canary,b", /one host/],
    ["redis://canary@h", /USER:PASSWORD@/],
    ["redis://:%zz-canary@h", /percent/],
    ["redis://h/canary", /database/],
    ["redis://h/1/canary", /database/],
    ["redis://h?canary=1", /parameters/],
    ["redis+cluster://a,b/1", /database 0/],
    ["redis+cluster://a?sentinel_password=canary", /parameters/],
    ["redis+sentinel://canary", /master's name/],
    ["redis+sentinel://h/main/canary", /database/],
    ["redis://h#canary", /expected redis:\/\//],
  ])("%s", (url, problem) => {
    const told = redisAddressFrom(url);
    expect(told).toMatch(problem);
    expect(told).not.toContain("canary");
  });
});
