/** A PostgreSQL behind TLS, with a certificate that an authority has issued. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { noOwnPostgres, type OwnPostgres, startPostgres } from "../../support/postgres.ts";
import { startServer } from "../../support/server.ts";
import { openPostgres } from "./postgres.ts";

const fixture = (name: string): string => fileURLToPath(new URL(`../../fixtures/tls/${name}`, import.meta.url));
const ours = fixture("ca.pem");
const anothers = fixture("cert.pem");

describe.skipIf(noOwnPostgres !== undefined)("a database behind TLS", () => {
  let here: OwnPostgres;
  let elsewhere: OwnPostgres;
  const start = (certificate: string): Promise<OwnPostgres> =>
    startPostgres(["ssl=on"], { "server.crt": readFileSync(fixture(certificate)), "server.key": readFileSync(fixture("key.pem")) });
  beforeAll(async () => {
    [here, elsewhere] = await Promise.all([start("issued.pem"), start("issued-elsewhere.pem")]);
  });
  afterAll(() => Promise.all([here?.[Symbol.asyncDispose](), elsewhere?.[Symbol.asyncDispose]()]));

  const urlOf = async (server: OwnPostgres, query: Readonly<Record<string, string>>, host = "127.0.0.1"): Promise<string> => {
    const url = new URL(await server.createDatabase());
    url.hostname = host;
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    return url.href;
  };
  /** Versions of TLS that our connections speak. */
  const spoken = async (server: OwnPostgres, url: string): Promise<readonly unknown[]> => {
    const plain = new URL(url);
    plain.search = "";
    plain.hostname = "127.0.0.1";
    const text = `select distinct version from pg_stat_ssl join pg_stat_activity using (pid)
      where application_name = 'semaroute' and datname = '${plain.pathname.slice(1)}'`;
    return (await server.run(plain.href, text)).map(({ version }) => version);
  };

  test.each([
    { host: "127.0.0.1", query: { sslmode: "verify-full", sslrootcert: ours } },
    { host: "localhost", query: { sslmode: "verify-full", sslrootcert: ours } },
    { host: "127.0.0.1", query: { sslmode: "verify-ca", sslrootcert: ours } },
    { host: "127.0.0.1", query: { sslmode: "require" } },
  ])("is used by TLS: $host, $query.sslmode", async ({ host, query }) => {
    const url = await urlOf(here, query, host);
    const store = await openPostgres({ url });
    onTestFinished(() => store.close());
    expect(await store.decisions?.list({ limit: 1 })).toEqual([]);
    expect(await spoken(here, url)).toEqual(["TLSv1.3"]);
  });

  test("is used by its certificate's authority though it is called otherwise, where that was asked for", async () => {
    const url = await urlOf(elsewhere, { sslmode: "verify-ca", sslrootcert: ours });
    const store = await openPostgres({ url });
    onTestFinished(() => store.close());
    expect(await spoken(elsewhere, url)).toEqual(["TLSv1.3"]);
  });

  test.each([
    {
      what: "of an authority that nobody named",
      server: "here",
      query: { sslmode: "verify-full" },
      reason: "its certificate is not trusted",
    },
    {
      what: "of another authority",
      server: "here",
      query: { sslmode: "verify-full", sslrootcert: anothers },
      reason: "its certificate is not trusted",
    },
    {
      what: "of another authority, whatever its host",
      server: "here",
      query: { sslmode: "verify-ca", sslrootcert: anothers },
      reason: "its certificate is not trusted",
    },
    {
      what: "of another host",
      server: "elsewhere",
      query: { sslmode: "verify-full", sslrootcert: ours },
      reason: "its certificate is for another host",
    },
    {
      what: "where the authority's file is missing",
      server: "here",
      query: { sslmode: "verify-full", sslrootcert: "/nowhere/ca.pem" },
      reason: "sslrootcert /nowhere/ca.pem cannot be read",
    },
    {
      what: "where no authority is named that is to be believed",
      server: "here",
      query: { sslmode: "verify-ca" },
      reason: "sslmode=verify-ca needs sslrootcert: with public authorities use verify-full",
    },
  ] as const)("is refused with one line $what", async ({ server, query, reason }) => {
    const url = await urlOf(server === "here" ? here : elsewhere, query);
    const refusal = await openPostgres({ url }).then(
      (store) => store.close(),
      (error: unknown) => error,
    );
    expect(refusal).toMatchObject({ name: "StoreError", message: reason });
    expect(String(refusal)).not.toContain("secret");
  });

  test("is refused by the program with the same line, and exit 1", async () => {
    const url = await urlOf(elsewhere, { sslmode: "verify-full", sslrootcert: ours });
    const refused = await startServer("providers: {sim: {type: simulated}}", { SEMAROUTE_STORE_URL: url }).then(
      (server) => server[Symbol.asyncDispose](),
      (error: unknown) => error,
    );
    expect(String(refused)).toMatch(/the server ended with 1: .*its certificate is for another host/);
    expect(String(refused)).not.toContain("postgres:secret");
  });
});
