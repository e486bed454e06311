import { Pool } from "undici";
import { chatPath } from "../fixtures.ts";

const headers = { "content-type": "application/json", authorization: "Bearer sk-bench" };

/** The cheapest way Node has to call the upstream: undici's dispatch, no promise, no stream. */
export function createUpstream(port: string): (body: Buffer | string, done: (status: number, answer: Buffer) => void) => void {
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: 64, pipelining: 1 });
  return (body, done) => {
    const parts: Buffer[] = [];
    let status = 502;
    pool.dispatch(
      { path: chatPath, method: "POST", headers, body },
      {
        onRequestStart() {},
        onResponseStart(_, code) {
          status = code;
        },
        onResponseData(_, chunk) {
          parts.push(chunk);
        },
        onResponseEnd() {
          done(status, joined(parts));
        },
        onResponseError(_, error) {
          done(502, Buffer.from(JSON.stringify({ error: { message: error.message } })));
        },
      },
    );
  };
}

/** The parts as one buffer; copies only where there is more than one. */
export function joined(parts: readonly Buffer[]): Buffer {
  const [first, ...others] = parts;
  return first !== undefined && others.length === 0 ? first : Buffer.concat(parts);
}
