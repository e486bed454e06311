/**
 * Loaded into the server before its own code (`node --import`): names under `.fault.test` have the answers that the
 * fault table gives them, and no name server is asked.
 */
import dns from "node:dns";
import { syncBuiltinESMExports } from "node:module";

/** A code that the look-up fails with, addresses, or nothing at all for a name server that never answers. */
const zone: Readonly<Record<string, { readonly code: string } | { readonly addresses: readonly string[] } | undefined>> = {
  "gone.fault.test": { code: "ENOTFOUND" },
  "failing.fault.test": { code: "EAI_AGAIN" },
  "empty.fault.test": { code: "ENODATA" },
  "silent.fault.test": undefined,
  "private.fault.test": { addresses: ["10.0.0.1", "192.168.0.1"] },
  "metadata.fault.test": { addresses: ["169.254.169.254"] },
  "loopback.fault.test": { addresses: ["127.0.0.1", "::1"] },
  "mapped.fault.test": { addresses: ["::ffff:127.0.0.1"] },
};

type Callback = (error: Error | null, found?: { readonly address: string; readonly family: number }[]) => void;

const { lookup } = dns;
Reflect.set(dns, "lookup", (name: string, options: dns.LookupAllOptions, callback: Callback) => {
  if (!name.endsWith(".fault.test")) return lookup(name, options, callback);
  const answer = zone[name];
  if (answer === undefined) return;
  setImmediate(() => {
    if ("code" in answer) callback(Object.assign(new Error(`lookup ${answer.code} ${name}`), { code: answer.code }));
    else
      callback(
        null,
        answer.addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
      );
  });
});
syncBuiltinESMExports();
