// Reference of case E: node:http answering a constant, which is what a cache hit comes down to.
// Usage: node constant.ts PORT
import { createServer } from "node:http";
import { answerBody } from "../fixtures.ts";

const answer = Buffer.from(answerBody());

createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  request.resume();
  request.on("end", () => {
    response.writeHead(200, { "content-type": "application/json", "content-length": answer.length });
    response.end(answer);
  });
}).listen(Number(process.argv[2]), "127.0.0.1");
