import { once } from "node:events";
import { createServer } from "node:net";
import { request } from "undici";
import { describe, expect, test } from "vitest";

import { ChatError } from "../../src/core/error.ts";
import { Secret } from "../../src/core/secret.ts";
import { causeCode, describeCause } from "../../src/telemetry/cause.ts";

const canary = "sk-canary-0123456789abcdef";

/** What undici makes of an upstream that answers with our own key, in each place that its parser looks at. */
describe("an error of the transport is told without what was sent or answered", () => {
  for (const [what, answer] of [
    ["noise", `${canary}\r\n\r\n`],
    ["a bad header", `HTTP/1.1 200 OK\r\nx y: ${canary}\r\n\r\n`],
    ["a bad chunk", `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${canary}\r\n`],
    ["a short body", `HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n${canary}`],
  ] as const) {
    test(what, async () => {
      const server = createServer((socket) => {
        socket.on("error", () => {});
        socket.once("data", () => socket.end(answer));
      });
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const address = server.address();
      const port = typeof address === "object" ? address?.port : undefined;
      const asked = request(`http://127.0.0.1:${port}/${canary}`, { headers: { authorization: `Bearer ${canary}` } });
      const error: unknown = await asked.then(({ body }) => body.text()).catch((thrown: unknown) => thrown);
      server.close();
      expect(error).toBeInstanceOf(Error);
      const chain = describeCause(new ChatError("UPSTREAM_PROTOCOL", "not HTTP", { cause: error }));
      expect(chain).toHaveLength(2);
      expect(JSON.stringify(chain)).not.toContain("canary");
    });
  }

  test("nor with what hangs on it", () => {
    const error = Object.assign(new Error(`call with ${canary}\n    at ${canary} (x.js:1:1)`), {
      code: "ECONNRESET",
      secret: new Secret(canary, "env:KEY"),
      headers: { authorization: canary },
      cause: Object.assign(new Error(canary), { name: `${canary} Error`, code: `code ${canary}` }),
    });
    const chain = describeCause(error);
    expect(chain?.[0]).toMatchObject({ name: "Error", code: "ECONNRESET" });
    expect(JSON.stringify(chain)).not.toContain("canary");
    expect(causeCode(error)).toBe("ECONNRESET");
  });
});

test("a chain is told to its fourth link, and what is no error ends it", () => {
  const chain = [1, 2, 3, 4, 5, 6].reduce<Error | undefined>((cause, n) => new Error(`n${n}`, { cause }), undefined);
  expect(describeCause(chain)).toHaveLength(4);
  expect(describeCause(new Error("x", { cause: "a text" }))).toHaveLength(1);
  expect(describeCause("a text")).toBeUndefined();
});
