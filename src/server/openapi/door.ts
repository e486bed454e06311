import { endWith, isGone } from "../outflow.ts";
import { flat, writeHead } from "../rest/answer.ts";
import type { RestCall } from "../rest/context.ts";
import { openapiDocument, type Served } from "./document.ts";

/** `GET /openapi.json`: open to all, and made when it is asked for first. */
export function createOpenapiDoor(served: () => Served): (rest: RestCall) => Promise<void> {
  let bytes: Buffer | undefined;
  return async ({ response, headers }) => {
    bytes ??= Buffer.from(JSON.stringify(openapiDocument(served())));
    if (isGone(response)) return;
    writeHead(
      response,
      200,
      flat([
        ...headers,
        ["content-type", "application/json"],
        ["content-length", String(bytes.length)],
        ["cache-control", "no-cache"],
        ["x-content-type-options", "nosniff"],
      ]),
    );
    await endWith(response, bytes);
  };
}
