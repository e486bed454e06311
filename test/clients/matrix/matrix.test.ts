/** Every official client, unchanged but for URL and key, against every type of provider, through one running server. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ServerProcess, startServer } from "../../support/server.ts";
import { columns } from "./columns.ts";
import { placeAt, unavailable } from "./rows.ts";
import { rows } from "./table.ts";
import { startUpstreams, type Upstreams } from "./upstreams.ts";

const open = new AsyncDisposableStack();
let upstreams: Upstreams;
let server: ServerProcess;

beforeAll(async () => {
  upstreams = open.use(await startUpstreams());
  server = open.use(await startServer(upstreams.config));
});

afterAll(() => open.disposeAsync());

describe.each(columns)("at $name", (column) => {
  for (const row of rows) {
    const { client, call, run } = row;
    const cell = { client, call, column: column.name };
    test(`${client}: ${call}`, { meta: { matrix: cell } }, async ({ skip }) => {
      const reason = unavailable(row, column);
      if (reason !== undefined) skip(reason);
      await run(placeAt(server.url, column));
    });
  }

  test("the upstream was asked in its own language alone", () => {
    const asked = [...new Set(upstreams.pathsOf(column))];
    expect(asked.length > 0).toBe(column.paths !== undefined);
    expect(asked.filter((path) => column.paths?.test(path) !== true)).toEqual([]);
  });
});

test("nothing went wrong in the server that nobody foresaw", () => {
  expect(server.lines.filter(({ level }) => level === "error")).toEqual([]);
  expect(server.complaints()).toBe("");
});
