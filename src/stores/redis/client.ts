import { Cluster, type DNSLookupFunction, Redis, type RedisOptions } from "ioredis";
import type { Clock } from "../../core/clock.ts";
import type { RedisAddress } from "../../core/redis-address.ts";

/** The library's client, whatever stands behind it. */
export type RedisClient = Redis | Cluster;

/** Longest wait for a connection, and for each step of its handshake. */
const connectMs = 2000;
/** A socket on which a command has waited so long is given up: the other side may be gone without a word. */
const socketMs = 3000;
/** Longest pause between two tries to connect. */
const reconnectMsMax = 2000;
/** A server that says it is a replica is left for the master of the hour, but not again and again. */
const readOnlyReconnectMs = 60_000;

/**
 * A client that begins to connect at once, and again whenever the connection goes. It keeps no command for later: what cannot be sent now
 * fails. Deadlines of commands are the connection's own; the library's only end handshakes.
 */
export function createClient(address: RedisAddress, clock: Clock, random: () => number): RedisClient {
  const { hosts, tls, username, password, database, sentinelUsername, sentinelPassword } = address;
  const [first] = hosts;
  const pause = (times: number): number => Math.min(100 * 2 ** Math.min(times - 1, 10), reconnectMsMax) * (0.5 + 0.5 * random());
  const common = {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(tls && { tls: {} }),
    connectTimeout: connectMs,
    commandTimeout: connectMs,
    socketTimeout: socketMs,
    keepAlive: 10_000,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    // The library would not catch what becomes of it; we subscribe whenever a connection is ready.
    autoResubscribe: false,
    connectionName: "semaroute",
    disableClientInfo: true,
  } satisfies RedisOptions;
  if (address.kind === "cluster") {
    return new Cluster([...hosts], {
      redisOptions: common,
      enableOfflineQueue: false,
      clusterRetryStrategy: pause,
      // A command that nobody waits for any more must not wander about for long.
      maxRedirections: 4,
      // By default names are looked up first, and a certificate does not name an address.
      ...(tls && { dnsLookup: unresolved }),
    });
  }
  const alone = {
    ...common,
    db: database,
    enableOfflineQueue: false,
    retryStrategy: pause,
    reconnectOnError: readOnlyRule(clock),
  } satisfies RedisOptions;
  if (address.kind === "single") return new Redis({ ...alone, ...first });
  return new Redis({
    ...alone,
    sentinels: [...hosts],
    ...(address.master !== undefined && { name: address.master }),
    ...(sentinelUsername !== undefined && { sentinelUsername }),
    ...(sentinelPassword !== undefined && { sentinelPassword }),
    ...(tls && { enableTLSForSentinelMode: true, sentinelTLS: {} }),
    sentinelCommandTimeout: connectMs,
    sentinelRetryStrategy: pause,
  });
}

const unresolved: DNSLookupFunction = (name, callback) => callback(null, name);

function readOnlyRule(clock: Clock): (error: Error) => boolean {
  let nextMs = Number.NEGATIVE_INFINITY;
  return ({ message }) => {
    if (!message.startsWith("READONLY") || clock.now() < nextMs) return false;
    nextMs = clock.now() + readOnlyReconnectMs;
    return true;
  };
}
