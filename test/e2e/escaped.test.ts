/** A bug that escaped every catch ends nobody else's call, and says nothing of what was being worked on. */
import { expect, test } from "vitest";
import { startServer } from "../support/server.ts";
import { doorClient } from "./doors.ts";

/** On a signal: one exception and one rejection that nobody catches, each with a prompt in its message. */
const escapes = `process.on("SIGUSR2", () => {
  setTimeout(() => { throw new TypeError("canary" + "-prompt"); });
  Promise.reject(new RangeError("canary" + "-prompt"));
});`;

test("calls go on, the log has a line for each without its message, and the counter is there to be alarmed on", async () => {
  const config = "server: {port: 0}\nproviders: {sim: {type: simulated, first_token: 300ms, reply: 'text:hello'}}";
  await using server = await startServer(config, { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(escapes)}` });
  const running = doorClient("SSE").ask(server.url, { model: "auto" });
  server.signal("SIGUSR2");
  const bugs = () => server.lines.filter(({ message }) => message === "bug");
  await server.logged(() => bugs().length === 2);
  expect((await running).text).toBe("hello");
  expect((await doorClient("grpc unary").ask(server.url, { model: "auto" })).text).toBe("hello");
  const shown = bugs().map(({ level, cause }) => `${String(level)} ${(cause as { name: string }[])[0]?.name}`);
  expect(new Set(shown)).toEqual(new Set(["error RangeError", "error TypeError"]));
  expect(await (await fetch(`${server.url}/metrics`)).text()).toContain("semaroute_bugs_total 2");
  expect(JSON.stringify(server.lines) + server.complaints()).not.toContain("canary-prompt");
  expect(await server.stop()).toBe(0);
});
