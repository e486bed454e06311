import { Code } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { BadRequestSchema, ErrorInfoSchema, RequestInfoSchema } from "../../../gen/google/rpc/error_details_pb.ts";
import { adminClient, errorOf, startServer, type TestServer } from "../rpc-server.ts";

let server: TestServer;
beforeEach(async () => {
  server = await startServer();
});
afterEach(() => server[Symbol.asyncDispose]());

describe("every answer", () => {
  test.each(["grpc", "grpc-web", "connect"] as const)("over %s, refusals carry details and are not to be kept", async (protocol) => {
    const error = await errorOf(adminClient(server, protocol, { authorization: "" }).getStats({}));
    expect(error.code).toBe(Code.Unauthenticated);
    expect(error.findDetails(ErrorInfoSchema)).toMatchObject([{ reason: "CALLER_UNAUTHENTICATED" }]);
    expect(error.findDetails(RequestInfoSchema)).toMatchObject([{ requestId: "req-1" }]);
    expect(error.metadata.get("x-request-id")).toBe("req-1");
    expect(error.metadata.get("cache-control")).toBe("no-store");
  });
  test.each(["grpc", "grpc-web", "connect"] as const)("over %s, broken rules name every field", async (protocol) => {
    const error = await errorOf(adminClient(server, protocol).listProviders({ pageSize: -1 }));
    expect(error.code).toBe(Code.InvalidArgument);
    expect(error.findDetails(ErrorInfoSchema)).toMatchObject([{ reason: "INVALID_REQUEST" }]);
    expect(error.findDetails(BadRequestSchema)).toMatchObject([{ fieldViolations: [{ field: "page_size" }] }]);
    expect(error.findDetails(RequestInfoSchema)).toMatchObject([{ requestId: "req-1" }]);
  });
  test("a success is not to be kept either", async () => {
    let header: Headers | undefined;
    await adminClient(server, "grpc").getStats({}, { onHeader: (given) => (header = given) });
    expect(header?.get("cache-control")).toBe("no-store");
    expect(header?.get("x-request-id")).toBe("req-1");
  });
});

describe("what Connect itself refuses", () => {
  const details = [
    { type: "google.rpc.ErrorInfo", debug: { reason: "INVALID_REQUEST", domain: "semaroute.dev" } },
    { type: "google.rpc.RequestInfo", debug: { requestId: "req-1" } },
  ];
  test("unknown JSON fields are INVALID_ARGUMENT and named", async () => {
    const { status, body } = await post('{"pageSise": 1}');
    expect(status).toBe(400);
    expect(body.code).toBe("invalid_argument");
    expect(body.message).toContain('key "pageSise" is unknown');
    expect(body.details).toMatchObject(details);
  });
  test.each(['{"pageToken": "secret pro', '"a secret prompt"', '{"pageSize": "a secret prompt"}', '{"pageToken": ["a secret prompt"]}'])(
    "%s is refused without being repeated",
    async (text) => {
      const { status, body } = await post(text);
      expect(status).toBe(400);
      expect(JSON.stringify(body)).not.toContain("secret");
      expect(body.details).toMatchObject(details);
    },
  );
  test("too many bytes are RESOURCE_EXHAUSTED", async () => {
    const { status, body } = await post(JSON.stringify({ pageToken: "x".repeat(5000) }));
    expect(status).toBe(429);
    expect(body.details[0]).toMatchObject({ debug: { reason: "REQUEST_TOO_LARGE" } });
  });
});

async function post(body: string, contentType = "application/json") {
  const response = await fetch(`${server.http1}/semaroute.v1.AdminService/ListProviders`, {
    method: "POST",
    headers: { "content-type": contentType, authorization: "Bearer admin" },
    body,
  });
  return {
    status: response.status,
    body: (await response.json()) as { code: string; message: string; details: { type: string; debug: unknown }[] },
  };
}
