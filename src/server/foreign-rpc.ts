import { Code } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import type { ServerRequest } from "./listen.ts";
import { sendJson } from "./rest/answer.ts";
import type { RestCall } from "./rest/context.ts";

// Calls of methods that are not here, each answered as its own protocol says no.

/** A gRPC client understands only its own protocol's no (gRPC over HTTP2, Responses: trailers only). */
export function refuseGrpc({ request, response, headers }: RestCall, text: string): void {
  const refusal = {
    ...Object.fromEntries(headers),
    "content-type":
      /^application\/grpc(?:-web)?(?:-text)?(?:\+\w+)?/.exec(request.headers["content-type"] ?? "")?.[0] ?? "application/grpc",
    "grpc-status": "12",
    "grpc-message": text.replace(/[^ -$&-~]+/g, encodeURIComponent),
  };
  // The head itself has to end the stream, or clients wait for trailers; Node's writeHead cannot do that.
  if ("stream" in response) response.stream.respond({ ":status": 200, ...refusal }, { endStream: true });
  else {
    response.writeHead(200, refusal);
    response.end();
  }
}

/** In Connect's JSON, which is also what clients of its streams understand where the status is not 200. */
export function refuseConnect({ response, headers }: RestCall, text: string): void {
  const body = JSON.stringify({ code: codeToString(Code.Unimplemented), message: text });
  sendJson(response, 404, headers, body);
}

/** JSON alone says nothing: the OpenAI API speaks it too. */
export function isConnect({ headers }: ServerRequest, path: string): boolean {
  const type = headers["content-type"] ?? "";
  const isSpoken =
    headers["connect-protocol-version"] !== undefined || type === "application/proto" || type.startsWith("application/connect+");
  return isSpoken && /^\/\w+(?:\.\w+)+\/\w+$/.test(path);
}

/** Whether the request is one of gRPC or gRPC-Web. */
export function isGrpc(request: ServerRequest): boolean {
  return request.headers["content-type"]?.startsWith("application/grpc") === true;
}
