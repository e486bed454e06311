// Reference of cases A: the least a router can do in Node. Parses the request, posts it, parses the answer, hands it back.
// Usage: node dispatch-relay.ts PORT UPSTREAM_PORT
import { createServer } from "node:http";
import { createUpstream, joined } from "./upstream-client.ts";

const [port, upstreamPort = ""] = process.argv.slice(2);
const upstream = createUpstream(upstreamPort);

createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  const parts: Buffer[] = [];
  request.on("data", (part: Buffer) => parts.push(part));
  request.on("end", () => {
    const body = joined(parts);
    JSON.parse(body.toString());
    upstream(body, (status, answer) => {
      JSON.parse(answer.toString());
      response.writeHead(status, { "content-type": "application/json", "content-length": answer.length });
      response.end(answer);
    });
  });
}).listen(Number(port), "127.0.0.1");
