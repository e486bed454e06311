/** A machine that is listened on. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Where Redis is, and how one gets in. */
export interface RedisAddress {
  /** One server; the servers that know which one is the master; or some nodes of a cluster. */
  readonly kind: "single" | "sentinel" | "cluster";
  /** At least one; of Sentinel the sentinels. */
  readonly hosts: readonly HostPort[];
  readonly tls: boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** Number of the database; always 0 in a cluster. */
  readonly database: number;
  /** What the sentinels call the master; only there. */
  readonly master: string | undefined;
  /** What the sentinels themselves ask for. */
  readonly sentinelUsername: string | undefined;
  readonly sentinelPassword: string | undefined;
}

/** What a URL may begin with. */
export const redisPrefixes = ["redis://", "rediss://", "redis+sentinel://", "rediss+sentinel://", "redis+cluster://", "rediss+cluster://"];

const form =
  /^redis(?<tls>s?)(?:\+(?<kind>sentinel|cluster))?:\/\/(?:(?<login>[^/?#]*)@)?(?<hosts>[^@/?#]*)(?<path>\/[^?#]*)?(?<query>\?[^#]*)?$/;

/**
 * An address from a URL: `redis://user:password@host:6379/0`, `redis+sentinel://host:26379,host:26379/master/0`,
 * `redis+cluster://host:6379,host:6379`; with `rediss` by TLS. Text that is none is answered with what is wrong, which holds nothing of it.
 */
export function redisAddressFrom(url: string): RedisAddress | string {
  const { tls, kind = "single", login, hosts = "", path = "", query = "" } = form.exec(url)?.groups ?? {};
  if (tls === undefined || (kind !== "single" && kind !== "sentinel" && kind !== "cluster")) {
    return "expected redis://HOST:PORT, redis+sentinel://HOST:PORT,HOST:PORT/MASTER or redis+cluster://HOST:PORT,HOST:PORT; rediss for TLS";
  }
  try {
    const places = hosts.split(",").map((text) => hostPortFrom(text, kind === "sentinel" ? 26_379 : 6379));
    if (kind === "single" && places.length > 1) return "expected one host; several are for redis+sentinel:// and redis+cluster://";
    const { master, database } = pathFrom(path, kind);
    return { kind, hosts: places, tls: tls === "s", ...loginFrom(login), master, database, ...sentinelLoginFrom(query, kind) };
  } catch (thrown) {
    if (thrown instanceof Malformed) return thrown.message;
    if (thrown instanceof URIError) return "expected percent-encoding where there is a percent sign";
    throw thrown;
  }
}

/** What is wrong with a part of a URL. */
class Malformed extends Error {}

function hostPortFrom(text: string, portDefault: number): HostPort {
  const match = /^(?:\[(?<six>[0-9A-Fa-f:.]+)\]|(?<host>[A-Za-z0-9._-]+))(?::(?<port>\d{1,5}))?$/.exec(text);
  const host = match?.groups?.["six"] ?? match?.groups?.["host"];
  const port = Number(match?.groups?.["port"] ?? portDefault);
  if (host === undefined || port < 1 || port > 65_535) throw new Malformed("expected HOST or HOST:PORT, several with commas between them");
  return { host, port };
}

function pathFrom(path: string, kind: RedisAddress["kind"]): Pick<RedisAddress, "master" | "database"> {
  const parts = path.split("/").slice(1).map(decodeURIComponent);
  if (parts.at(-1) === "") parts.pop();
  const master = kind === "sentinel" ? parts.shift() : undefined;
  if (kind === "sentinel" && (master === undefined || master === ""))
    throw new Malformed("expected the master's name behind the hosts: /MASTER");
  const [database = "0", ...rest] = parts;
  if (!/^\d{1,4}$/.test(database) || rest.length > 0) throw new Malformed("expected a database's number as the last part of the path");
  if (kind === "cluster" && database !== "0") throw new Malformed("a cluster has database 0 only");
  return { master, database: Number(database) };
}

function loginFrom(login: string | undefined): Pick<RedisAddress, "username" | "password"> {
  if (login === undefined || login === "") return { username: undefined, password: undefined };
  const colon = login.indexOf(":");
  if (colon < 0) throw new Malformed("expected USER:PASSWORD@ or :PASSWORD@ before the host");
  return {
    username: colon === 0 ? undefined : decodeURIComponent(login.slice(0, colon)),
    password: decodeURIComponent(login.slice(colon + 1)),
  };
}

function sentinelLoginFrom(query: string, kind: RedisAddress["kind"]): Pick<RedisAddress, "sentinelUsername" | "sentinelPassword"> {
  const asked = new URLSearchParams(query);
  const sentinelUsername = asked.get("sentinel_username") ?? undefined;
  const sentinelPassword = asked.get("sentinel_password") ?? undefined;
  const known = kind === "sentinel" ? ["sentinel_username", "sentinel_password"] : [];
  if ([...asked.keys()].some((name) => !known.includes(name))) {
    throw new Malformed("expected no parameters but sentinel_username and sentinel_password, and these with redis+sentinel:// only");
  }
  return { sentinelUsername, sentinelPassword };
}
