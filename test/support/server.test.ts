import { expect, test } from "vitest";
import { startServer } from "./server.ts";

test("a server starts without a configuration, answers, and stops with 0", async () => {
  await using server = await startServer();
  expect((await fetch(`${server.url}/health/live`)).status).toBe(200);
  expect(server.adminToken).toMatch(/^[\w-]{43}$/);
  expect(await server.stop()).toBe(0);
  expect(server.lines.at(-1)).toMatchObject({ level: "info", message: "stopped" });
});

test("a server that refuses its configuration says so", async () => {
  await expect(startServer("sever: {}")).rejects.toThrow(/ended with 78: .*config\.yaml:1:1 sever: .*did you mean "?server/s);
});

test("a token the test chose is not looked for in a file", async () => {
  await using server = await startServer(undefined, { SEMAROUTE_ADMIN_TOKEN: "chosen" });
  expect(server.adminToken).toBeUndefined();
});
