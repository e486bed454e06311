/** S01 to S07, and S18 to S21: configurations, secrets and credentials that change under a running server. */
import { readFile, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { doorClient, doorClients, refusal } from "../e2e/doors.ts";
import { metricsFrom, soon, until } from "../e2e/scene.ts";
import { completion } from "../support/scripted-upstream.ts";
import { type ServerProcess, startServer } from "../support/server.ts";
import { cell } from "./play.ts";
import { says } from "./scene.ts";
import { answer, endedStream, errorJson, json, lastChunk, openStream, type Script, sleep, write } from "./steps.ts";
import { reloadFaults, swapByLink, unplayed } from "./system-faults.ts";
import { begun, chunks, config, ended, isRefusal, load, piece, reloads } from "./system-load.ts";
import { createScriptedUpstream } from "./upstream.ts";

for (const { id, fault, skip } of unplayed) cell({ id, fault, protocol: "process" }, { skip });

describe("S18: a configuration that is wrong", () => {
  const open = new AsyncDisposableStack();
  let server: ServerProcess;
  let text: string;
  beforeAll(async () => {
    const first = open.use(await createScriptedUpstream(says("first")));
    const second = open.use(await createScriptedUpstream(says("second")));
    server = open.use(await startServer(config({ first, second })));
    text = await readFile(server.configFile, "utf8");
  }, 60_000);
  afterAll(() => open.disposeAsync());

  for (const { fault, break: breakIt, told, problem } of reloadFaults) {
    cell(
      { id: "S18", fault, protocol: "process" },
      async () => {
        const seen = reloads(server);
        const from = server.lines.length;
        const busy = load(server, "both");
        await breakIt(server.configFile, text);
        server.signal("SIGHUP");
        await until(() => reloads(server) > seen, "it was read", 10_000);
        const fresh = server.lines.slice(from);
        expect(fresh.some(isRefusal)).toBe(told === "refused");
        if (problem !== undefined) expect(JSON.stringify(fresh.filter(isRefusal))).toMatch(problem);
        await soon(50);
        const { calls, failures } = await busy.stop();
        expect(failures).toEqual([]);
        expect(calls).toBeGreaterThan(0);
        expect((await doorClient("REST").ask(server.url, { model: "both" })).text).toBe("first");
        // The good one again, for those who come next.
        const before = reloads(server);
        await writeFile(server.configFile, text);
        server.signal("SIGHUP");
        await until(
          () => server.lines.some(({ message }, at) => at >= from && message === "configuration reloaded") && reloads(server) > before,
          "it was mended",
          10_000,
        );
      },
      30_000,
    );
  }

  cell(
    { id: "S18", fault: "a hundred reloads under load", protocol: "process" },
    async () => {
      const busy = load(server, "both");
      const seen = reloads(server);
      for (let i = 0; i < 100; i++) {
        await writeFile(server.configFile, text.replace("max_attempts: 3", `max_attempts: ${2 + (i % 2)}`));
        server.signal("SIGHUP");
        await soon(10);
      }
      await until(() => reloads(server) > seen, "they were read");
      const { failures } = await busy.stop();
      expect(failures).toEqual([]);
      await writeFile(server.configFile, text);
    },
    60_000,
  );

  cell(
    { id: "S18", fault: "a link that is swapped, as Kubernetes does it", protocol: "process" },
    async () => {
      const busy = load(server, "both");
      const seen = reloads(server);
      await swapByLink(server.configFile, text.replace("models: {both:", "models: {swapped: {targets: [second/m]}, both:"));
      await until(() => reloads(server) > seen, "it was noticed without a signal", 10_000);
      await until(
        async () =>
          doorClient("REST")
            .ask(server.url, { model: "swapped" })
            .then(
              ({ text: said }) => said === "second",
              () => false,
            ),
        "it is in force",
        10_000,
      );
      expect((await busy.stop()).failures).toEqual([]);
    },
    60_000,
  );

  cell(
    { id: "S17", fault: "a storm of SIGHUP", protocol: "process" },
    async () => {
      const busy = load(server, "both");
      const seen = reloads(server);
      for (let i = 0; i < 200; i++) server.signal("SIGHUP");
      await until(() => reloads(server) > seen, "it was read");
      expect((await busy.stop()).failures).toEqual([]);
      expect(await server.stop()).toBe(0);
      expect(server.complaints()).toBe("");
    },
    60_000,
  );
});

describe("what a reload takes away", () => {
  cell(
    { id: "S19", fault: "a target with live streams and whole answers is removed", protocol: "all doors" },
    async () => {
      const script: Script = [
        answer(({ streamed }) => [
          ...(streamed ? [openStream(begun, piece("the last "))] : []),
          sleep(1500),
          ...(streamed ? [write(chunks(piece("words"), ...ended)), write(lastChunk)] : [write(json(completion("the last words")))]),
        ]),
      ];
      await using going = await createScriptedUpstream(script);
      await using staying = await createScriptedUpstream(says("from the other"));
      await using server = await startServer(config({ staying, going }));
      const calls = doorClients.map((door) => door.ask(server.url, { model: "going/m" }));
      await until(() => going.requests.length === doorClients.length, "all have reached it");
      const text = await readFile(server.configFile, "utf8");
      await writeFile(server.configFile, text.replace(/^ {2}going: .*$/m, "").replace(", going/m", ""));
      await server.logged(({ message }) => message === "configuration reloaded");
      expect((await refusal(doorClient("REST").ask(server.url, { model: "going/m" }))).status).toBe(404);
      expect((await doorClient("REST").ask(server.url, { model: "both" })).text).toBe("from the other");
      for (const call of calls) expect((await call).text).toBe("the last words");
      const metrics = metricsFrom(await (await fetch(`${server.url}/metrics`)).text());
      expect(metrics.text).not.toMatch(/^semaroute_(?:provider|target)_[a-z_]+\{[^}]*provider="going"/m);
    },
    60_000,
  );

  cell(
    { id: "S20", fault: "a secret's file is rotated, and then emptied", protocol: "REST" },
    async () => {
      await using upstream = await createScriptedUpstream(says("fine"));
      const text = config({ first: upstream });
      await using server = await startServer(text);
      const secret = `${server.configFile}.secret`;
      const last = (): string | undefined => /^authorization: Bearer (.*)$/im.exec(upstream.requests.at(-1)?.head ?? "")?.[1]?.trim();
      const ask = () => doorClient("REST").ask(server.url, { model: "both" });
      const reload = async (): Promise<void> => {
        const seen = reloads(server);
        server.signal("SIGHUP");
        await until(() => reloads(server) > seen, "it was read");
      };
      await writeFile(secret, "key-one\n");
      await writeFile(server.configFile, text.replace("api_key: first-key", `api_key_file: ${JSON.stringify(secret)}`));
      await reload();
      await ask();
      expect(last()).toBe("key-one");
      await writeFile(secret, "key-two\n");
      await reload();
      await ask();
      expect(last()).toBe("key-two");
      await writeFile(secret, "");
      await reload();
      expect(server.lines.findLast(isRefusal)).toMatchObject({ level: "error" });
      await ask();
      expect(last()).toBe("key-two");
      expect(server.lines.filter((line) => /key-(?:one|two)/.test(JSON.stringify(line)))).toEqual([]);
    },
    60_000,
  );

  cell(
    { id: "S21", fault: "a provider's credential is revoked under load", protocol: "all doors" },
    async () => {
      let revoked = false;
      await using first = await createScriptedUpstream([
        answer((request) => (revoked ? [write(errorJson(401, { code: "invalid_api_key" }))] : goodAnswer("first", request.streamed))),
      ]);
      await using second = await createScriptedUpstream(says("second"));
      await using server = await startServer(config({ first, second }));
      const busy = load(server, "both");
      await until(() => first.requests.length > 8, "the first one serves");
      revoked = true;
      const before = second.requests.length;
      await until(() => second.requests.length > before + 12, "the second one serves");
      const { failures } = await busy.stop();
      expect(failures).toEqual([]);
      expect(
        server.lines.filter(({ message, provider }) => message === "provider credential is refused" && provider === "first"),
      ).toHaveLength(1);
    },
    60_000,
  );
});

function goodAnswer(text: string, streamed: boolean) {
  return streamed ? [endedStream(begun, piece(text), ...ended)] : [write(json(completion(text)))];
}
