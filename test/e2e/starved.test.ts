/** The program as a process that lacks something: files to open, somebody who reads its log, a collector of its traces. */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { setTimeout } from "node:timers/promises";
import { describe, expect, test } from "vitest";

import { asCell } from "../fault/play.ts";
import { chunk, createUpstream } from "../support/scripted-upstream.ts";
import { type LogLine, startServer } from "../support/server.ts";
import { doorClient } from "./doors.ts";

const question = { model: "m" };

/** Once it is true; a test that waits in vain ends by its time limit. */
async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await setTimeout(20);
}

async function metric(url: string, name: string): Promise<number> {
  const page = await (await fetch(`${url}/metrics`)).text();
  return Number(
    page
      .split("\n")
      .find((line) => line.startsWith(`${name} `))
      ?.split(" ")[1],
  );
}

/** CPU a server has used, and when; in seconds. */
async function cpu(url: string): Promise<{ readonly seconds: number; readonly at: number }> {
  return { seconds: await metric(url, "process_cpu_seconds_total"), at: performance.now() / 1000 };
}

describe("with too few files to open", { timeout: 60_000 }, () => {
  test(
    "connections are given up, streams live on, nothing spins, and it serves again once there are files",
    asCell("S12", "no files left to accept with"),
    async () => {
      const ends: (() => void)[] = [];
      await using upstream = await createUpstream(async (reply) => {
        const sse = reply.sse().data(chunk({ role: "assistant", content: "hel" }));
        await new Promise<void>((resolve) => ends.push(resolve));
        sse.data(chunk({ content: "lo" }, "stop")).done();
      });
      const config = `health: {probe: none}\nproviders: {up: {type: openai_compatible, base_url: "${upstream.url}/v1", models: [m]}}`;
      await using server = await startServer(config, {}, { prelude: "ulimit -n 64" });
      let begun: (() => void) | undefined;
      const began = new Promise<void>((resolve) => (begun = resolve));
      const live = doorClient("SSE").ask(server.url, { ...question, onText: () => begun?.() });
      await began;

      const before = await cpu(server.url);
      // More than it can take, from somebody who says nothing.
      const crowd: Socket[] = [];
      for (let i = 0; i < 150; i++) {
        const socket = connect(server.port, "127.0.0.1");
        socket.on("error", () => {});
        crowd.push(socket);
      }
      // All of these are told by the kernel or by us that there is no room, or are kept; none is forgotten.
      await until(() => crowd.some((socket) => socket.closed));

      // Who says nothing goes, so that there is room again, although the crowd would stay; and no call is refused for it.
      await until(() => crowd.every((socket) => socket.closed));
      expect(server.lines.filter(({ message }) => message === "overloaded, calls are shed")).toEqual([]);
      const after = await cpu(server.url);
      expect((after.seconds - before.seconds) / (after.at - before.at)).toBeLessThan(0.7);
      const next = doorClient("SSE").ask(server.url, question);
      await upstream.request(1);
      for (const end of ends) end();
      expect((await live).text).toBe("hello");
      await until(() => ends.length === 2);
      for (const end of ends) end();
      expect((await next).text).toBe("hello");
      expect(server.complaints()).toBe("");
      expect(await server.stop()).toBe(0);
    },
  );

  test(
    "a call that finds none for its upstream is shed, and its target is not blamed",
    asCell("S12", "no files left to connect with"),
    async () => {
      const ends: (() => void)[] = [];
      await using upstream = await createUpstream(async (reply) => {
        const sse = reply.sse().data(chunk({ role: "assistant", content: "hello" }, "stop"));
        await new Promise<void>((resolve) => ends.push(resolve));
        sse.done();
      });
      const config = `health: {probe: none}\nproviders: {up: {type: openai_compatible, base_url: "${upstream.url}/v1", models: [m]}}`;
      await using even = await startServer(config, {}, { prelude: "ulimit -n 64" });
      await using odd = await startServer(config, {}, { prelude: "ulimit -n 65" });
      // Each takes two files: by one of the two limits it is the upstream that finds none, and not the caller.
      const live: Promise<unknown>[] = [];
      const isShed = ({ message, reason }: LogLine): boolean => message === "call" && reason === "SHED";
      const fill = async ({ url, lines }: typeof even): Promise<LogLine | undefined> => {
        for (let full = false; !full;) {
          const begun = Promise.withResolvers<boolean>();
          const stream = doorClient("SSE").ask(url, { ...question, onText: () => begun.resolve(true) });
          live.push(stream.catch(() => begun.resolve(false)));
          full = !(await begun.promise);
        }
        // Lines of the log come some time after their calls, and who was not let in has none to wait for.
        await setTimeout(500);
        return lines.find(isShed);
      };
      let server = even;
      let shed = await fill(even);
      if (shed === undefined) {
        server = odd;
        shed = await fill(odd);
      }
      expect(shed).toMatchObject({ status: 503, tries: [expect.objectContaining({ code: "EMFILE" })] });
      for (const end of ends.splice(0)) end();
      await Promise.all(live);
      const next = doorClient("SSE").ask(server.url, { ...question, onText: () => ends.shift()?.() });
      expect((await next).text).toBe("hello");
      expect(await metric(server.url, `semaroute_target_breaker_open{provider="up",model="m"}`)).toBe(0);
      expect(server.complaints()).toBe("");
    },
  );
});

describe("a log that nobody reads", { timeout: 60_000 }, () => {
  test.each(["closed", "stalled"] as const)(
    "because its pipe is %s costs lines and nothing else",
    asCell("S14", "a log that nobody reads"),
    async (how) => {
      await using server = await startServer("providers: {sim: {type: simulated, models: [m], first_token: 0, tokens_per_second: 1e9}}");
      server.unread(how);
      // A megabyte of lines: more than any pipe holds.
      const headers = { "x-request-id": "x".repeat(128) };
      for (let round = 0; round < 20; round++)
        await Promise.all(Array.from({ length: 60 }, () => doorClient("REST").ask(server.url, { ...question, headers })));
      if (how === "closed") await until(async () => (await metric(server.url, "semaroute_log_lines_dropped_total")) > 0);
      expect((await fetch(`${server.url}/health`)).status).toBe(200);
      expect(await server.stop()).toBe(0);
      expect(server.complaints()).toBe("");
    },
  );
});

describe("a collector of traces", { timeout: 60_000 }, () => {
  const collectors: Record<string, (socket: Socket) => void> = {
    "hangs up": (socket) => socket.destroy(),
    "never answers": (socket) => socket.resume(),
    "never ends its answer": (socket) => {
      socket.resume();
      socket.write("HTTP/1.1 200 OK\r\n");
      const timer = setInterval(() => socket.write("x: y\r\n"), 50);
      socket.on("close", () => clearInterval(timer));
    },
  };
  test.each(Object.keys(collectors))(
    "that %s harms no call and keeps nobody from stopping",
    asCell("S22", "a collector of traces that is down, slow or hung"),
    async (how) => {
      const collector = createServer((socket) => {
        socket.on("error", () => {});
        collectors[how]?.(socket);
      }).listen(0, "127.0.0.1");
      await once(collector, "listening");
      const { port } = collector.address() as AddressInfo;
      const tracing = `observability: {tracing: {enabled: true, sample_ratio: 1, endpoint: "http://127.0.0.1:${port}"}}`;
      const provider = "providers: {sim: {type: simulated, models: [m], first_token: 0, tokens_per_second: 1e9}}";
      await using server = await startServer(`${tracing}\n${provider}\n`);
      for (let calls = 0; calls < 10; calls++) expect((await doorClient("REST").ask(server.url, question)).text).not.toBe("");
      expect(await server.stop()).toBe(0);
      collector.close();
    },
  );
});
