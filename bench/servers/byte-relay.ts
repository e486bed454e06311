// Reference of case B: hands every byte of the upstream's stream on as it comes and looks at none of them.
// Usage: node byte-relay.ts PORT UPSTREAM_PORT
import { createServer } from "node:http";
import { Pool } from "undici";
import { chatPath } from "../fixtures.ts";
import { joined } from "./upstream-client.ts";

const [port, upstreamPort = ""] = process.argv.slice(2);
const pool = new Pool(`http://127.0.0.1:${upstreamPort}`, { connections: 256, pipelining: 1 });
const headers = { "content-type": "application/json", authorization: "Bearer sk-bench" };

createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  const parts: Buffer[] = [];
  request.on("data", (part: Buffer) => parts.push(part));
  request.on("end", () => {
    pool.dispatch(
      { path: chatPath, method: "POST", headers, body: joined(parts) },
      {
        onRequestStart() {},
        onResponseStart(_, status) {
          response.writeHead(status, { "content-type": "text/event-stream" });
          response.flushHeaders();
        },
        onResponseData(controller, chunk) {
          if (response.write(chunk)) return;
          controller.pause();
          response.once("drain", () => controller.resume());
        },
        onResponseEnd() {
          response.end();
        },
        onResponseError() {
          response.destroy();
        },
      },
    );
  });
}).listen(Number(port), "127.0.0.1");
