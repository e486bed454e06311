/** Upstreams that no connection can be made to, or should not. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, expect } from "vitest";
import { createBlackHole, noBlackHole } from "./black-hole.ts";
import { streamOf, wholeOf } from "./bodies.ts";
import { canaries } from "./canaries.ts";
import { answered, failed } from "./outcome.ts";
import { wellSaid } from "./scene.ts";
import { byKind, deaf, fin, stall, write } from "./steps.ts";
import { type Expectation, faultTable, type FaultRow } from "./table.ts";

const served: Expectation = () => answered(wellSaid, 2);
const hole = noBlackHole === undefined ? await createBlackHole() : undefined;
afterAll(() => hole?.[Symbol.asyncDispose]());

/** A host name of `fake-dns.ts`; nothing may ever reach the listener. */
function named(id: string, fault: string, name: string, attempts: number): FaultRow {
  return {
    id,
    fault,
    script: [wholeOf()],
    unseen: true,
    baseUrl: (port) => `http://${name}.fault.test:${port}`,
    lone: () => failed("UPSTREAM_UNAVAILABLE", attempts),
    pair: served,
    check: ({ upstream }) => expect(upstream.accepted).toBe(0),
  };
}

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/tls/${name}`, import.meta.url));
const key = readFileSync(fixture("key.pem"));

/** A handshake that must fail, and before it anything is said: the key stays here. */
function badTls(id: string, fault: string, row: Partial<FaultRow>, attempts = 1): FaultRow {
  return {
    id,
    fault,
    script: byKind([wholeOf()], [streamOf(canaries.answer)]),
    unseen: true,
    baseUrl: (port) => `https://localhost:${port}`,
    lone: () => failed("UPSTREAM_UNAVAILABLE", attempts),
    pair: served,
    check: ({ upstream, layout, line }) => {
      expect(upstream.requests).toEqual([]);
      expect(upstream.saw(canaries.providerKey)).toBe(false);
      expect(upstream.accepted).toBeGreaterThan(0);
      if (layout === "lone") expect(line["attempts"]).toBe(attempts);
    },
    ...row,
  };
}

const closedPort = 1;

faultTable(
  "connecting",
  [
    {
      id: "U01",
      fault: "the connection is refused",
      unseen: true,
      baseUrl: () => `http://127.0.0.1:${closedPort}`,
      lone: () => failed("UPSTREAM_UNAVAILABLE", 3),
      pair: served,
    },
    {
      id: "U02",
      fault: "nobody answers the SYN",
      unseen: true,
      baseUrl: () => `http://127.0.0.1:${hole?.port ?? closedPort}`,
      lone: () => (noBlackHole === undefined ? failed("UPSTREAM_UNAVAILABLE", 3) : { skip: noBlackHole }),
      pair: (door) => (noBlackHole === undefined ? served(door) : { skip: noBlackHole }),
    },
    named("U03/gone", "the host name is not known", "gone", 3),
    named("U03/failing", "the name server fails", "failing", 3),
    named("U03/empty", "the host name has no address", "empty", 3),
    named("U03/silent", "the name server does not answer", "silent", 3),
    // Once more would lead to the same place.
    named("U04/private", "the host name leads to a private address", "private", 1),
    named("U04/metadata", "the host name leads to a cloud's metadata service", "metadata", 1),
    named("U04/loopback", "the host name leads to the server's own machine", "loopback", 1),
    named("U04/mapped", "the host name leads to the server's own machine, written as IPv6", "mapped", 1),
    badTls("U05/self-signed", "a certificate that nobody vouches for", { tls: { key, cert: readFileSync(fixture("cert.pem")) } }),
    badTls("U05/expired", "a certificate that has expired", { tls: { key, cert: readFileSync(fixture("expired.pem")) } }),
    badTls("U05/host", "a certificate of another host", { tls: { key, cert: readFileSync(fixture("elsewhere.pem")) } }),
    badTls("U05/old", "TLS 1.1 at most", {
      tls: { key, cert: readFileSync(fixture("expired.pem")), minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" },
    }),
    badTls("U05/plain", "an answer without TLS", { script: [write("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"), fin] }),
    badTls("U05/stall", "a handshake that nobody answers", { script: [stall] }, 3),
    badTls("U05/deaf", "a handshake that nobody reads", { script: [deaf] }, 3),
  ],
  {
    // undici looks at its connect timers about twice a second: they may be that late.
    timeouts: "connect: 1s, first_token: 5s, idle: 5s, progress: 8s, total: 20s",
    env: { NODE_OPTIONS: `--import ${new URL("fake-dns.ts", import.meta.url).href}`, NODE_EXTRA_CA_CERTS: fixture("trusted.pem") },
  },
);
