import { isIPv4 } from "node:net";

import { redisAddressFrom } from "../core/redis-address.ts";
import { checkModels, checkProviders, type CheckContext } from "./check-providers.ts";
import { checkPolicy } from "./check-policy.ts";
import { checkSemantic } from "./check-semantic.ts";
import { checkTls } from "./check-tls.ts";
import type { Report } from "./report.ts";
import type { Settings } from "./schema.ts";
import { nodeAt } from "./tree.ts";

/** What no single setting can tell: whether they fit together, and whether this build can do what they ask. */
export function checkSettings(settings: Settings, context: CheckContext, report: Report): void {
  checkProviders(settings, context, report);
  checkModels(settings, context, report);
  checkPolicy(settings, context, report);
  checkKeys(settings, report);
  checkTls(settings.server.tls, report);
  checkRedis(settings, report);
  checkSemantic(settings, context, report);
  checkListening(settings, context, report);
}

/** Whether only this machine can reach an address. */
export function isLoopback(host: string): boolean {
  const bare = host.startsWith("[") && host.endsWith("]") ? host.slice(1, -1) : host;
  if (bare.toLowerCase() === "localhost" || bare === "::1") return true;
  return isIPv4(bare) && bare.startsWith("127.");
}

function checkKeys(settings: Settings, report: Report): void {
  const names = new Set<string>();
  const secrets = new Map<string, string>();
  for (const [index, { name, key }] of settings.auth.keys.entries()) {
    const path = ["auth", "keys", index];
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) {
      report.error([...path, "name"], "expected at most 64 letters, digits, dots, dashes and underscores, a letter or digit first");
    }
    if (names.has(name)) report.error([...path, "name"], `there is another key called "${name}"`);
    const twin = secrets.get(key.reveal());
    if (twin !== undefined) report.error([...path, "key"], `the key "${twin}" has the same value`);
    names.add(name);
    secrets.set(key.reveal(), name);
  }
}

function checkRedis({ redis, cache }: Settings, report: Report): void {
  if (redis.url === undefined) {
    if (cache.backend === "redis") report.error(["cache", "backend"], "needs redis.url");
    return;
  }
  const address = redisAddressFrom(redis.url.reveal());
  if (typeof address === "string") report.error(["redis", "url"], address);
}

function checkListening(settings: Settings, { tree }: CheckContext, report: Report): void {
  const { server, admin, auth } = settings;
  if (admin.host !== undefined && admin.port === undefined) report.error(["admin", "port"], "is required where admin.host is set");
  // The tree and not the settings: keys that are wrong in themselves are told of already.
  const keys = nodeAt(tree, ["auth", "keys"]);
  if (keys !== undefined && !(keys.kind === "list" && keys.items.length === 0) && !(keys.kind === "leaf" && keys.text === "")) return;
  if (auth.required === true) {
    report.warn(["auth", "required"], "no key is configured: every call is refused until one is issued");
    return;
  }
  const real = Object.entries(settings.providers).find(([, provider]) => provider.enabled && provider.type !== "simulated");
  if (isLoopback(server.host) || real === undefined || auth.required === false) return;
  report.error(
    ["server", "host"],
    `${server.host} can be reached from other machines, and anyone could use provider ${real[0]} without a key; configure auth.keys, or say auth.required: false if that is meant`,
  );
}
