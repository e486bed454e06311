import { lookup as lookupAddress, type LookupAddress } from "node:dns";
import { BlockList, isIP, type LookupFunction } from "node:net";
import { ChatError } from "../../core/error.ts";

/** Never an upstream, whatever its name says: metadata services, and networks where no server can live. */
const forbidden = blockList([
  // Link-local, where the clouds' metadata services are; and those that are elsewhere.
  ["169.254.0.0", 16],
  ["fe80::", 10],
  ["fd00:ec2::254", 128],
  ["100.100.100.200", 32],
  ["192.0.0.192", 32],
  ["168.63.129.16", 32],
  // "This host": the system connects to itself.
  ["0.0.0.0", 8],
  ["::", 128],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
  ["ff00::", 8],
  // An IPv4 address in an IPv6 one, by ways that nobody routes any more: written so, it only hides. (NAT64 is seen through below.)
  ["::169.254.0.0", 112],
  ["::ffff:0:0:0", 96],
  ["64:ff9b:1::", 48],
  ["2002::", 16],
  ["2001::", 32],
  ["fec0::", 10],
]);

/** Networks that only a name of such a network may lead to. */
const internal = blockList([
  ["10.0.0.0", 8],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  ["127.0.0.0", 8],
  ["100.64.0.0", 10],
  ["192.0.0.0", 24],
  ["198.18.0.0", 15],
  // `::1`, and the IPv4-compatible addresses.
  ["::", 96],
  ["fc00::", 7],
]);

/** Each IPv4 network counts as well behind NAT64, which is how a network without IPv4 reaches all of it (RFC 6052). */
function blockList(nets: readonly (readonly [string, number])[]): BlockList {
  const list = new BlockList();
  for (const [net, prefix] of nets) {
    const six = net.includes(":");
    list.addSubnet(net, prefix, six ? "ipv6" : "ipv4");
    if (!six) list.addSubnet(`64:ff9b::${net}`, 96 + prefix, "ipv6");
  }
  return list;
}

/**
 * Whether a host name names an inside network: `localhost`, a single label (a container's or a cluster's service), or a
 * suffix reserved for such (RFC 6761, RFC 8375, ICANN's `.internal`).
 */
export function namesInside(host: string): boolean {
  // A dot at the end says that the name is complete, and nothing else.
  const name = host.endsWith(".") ? host.slice(0, -1) : host;
  return !name.includes(".") || /\.(localhost|local|internal|lan|home\.arpa|svc|cluster\.local)$/i.test(name);
}

/** Whether an address may be called for this host name. */
export function mayCall(host: string, address: string): boolean {
  const version = isIP(address);
  if (version === 0) return false;
  const family = version === 6 ? "ipv6" : "ipv4";
  if (forbidden.check(address, family)) return false;
  return !internal.check(address, family) || namesInside(host);
}

/**
 * A look-up that refuses addresses the configured base URL does not name, and hands on the very address it checked, so
 * that a second answer of the name server cannot slip in between. Literal addresses in a base URL are not looked up.
 * `who` is called, in the words of a message.
 */
export function guardedLookup(who: string, resolve: typeof lookupAddress = lookupAddress): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error: NodeJS.ErrnoException | null, found: LookupAddress[]) => {
      if (error !== null) {
        callback(error, "", 0);
        return;
      }
      const allowed = found.filter((each) => mayCall(hostname, each.address));
      const [first] = allowed;
      if (first === undefined) {
        const text = `the host name of ${who} leads to an address that is not allowed`;
        callback(new ChatError("UPSTREAM_UNAVAILABLE", text, { final: true }), "", 0);
        return;
      }
      if (options.all === true) callback(null, allowed);
      else callback(null, first.address, first.family);
    });
  };
}
