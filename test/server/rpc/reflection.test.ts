import { execFile } from "node:child_process";
import { promisify } from "node:util";

import { create, createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { type FileDescriptorProto, FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { Health } from "../../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { AdminService } from "../../../gen/semaroute/v1/admin_pb.ts";
import { RouterService } from "../../../gen/semaroute/v1/router_pb.ts";
import { serveReflection } from "../../../src/server/rpc/reflection.ts";
import { startServer, type TestServer } from "../rpc-server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer((router) => serveReflection(router, [RouterService, AdminService, Health]));
});
afterAll(() => server[Symbol.asyncDispose]());

type Question = NonNullable<Parameters<ReturnType<typeof reflect>>[0]>[number];

function reflect(service: typeof ServerReflection | typeof ServerReflectionAlpha) {
  return async (
    questions: {
      messageRequest:
        | { case: "fileByFilename" | "fileContainingSymbol" | "allExtensionNumbersOfType" | "listServices"; value: string }
        | { case: "fileContainingExtension"; value: { containingType: string; extensionNumber: number } }
        | { case: undefined };
    }[],
  ) => {
    const client = createClient(service as typeof ServerReflection, createGrpcTransport({ baseUrl: server.http2 }));
    async function* requests() {
      for (const question of questions) yield { host: "h", ...question };
    }
    const answers = [];
    for await (const answer of client.serverReflectionInfo(requests())) answers.push(answer);
    return answers;
  };
}

async function filesOf(...questions: Question[]): Promise<string[][]> {
  const answers = await reflect(ServerReflection)(questions);
  return answers.map(({ messageResponse }) =>
    messageResponse.case === "fileDescriptorResponse"
      ? messageResponse.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name)
      : [],
  );
}

describe.each([
  ["v1", ServerReflection],
  ["v1alpha", ServerReflectionAlpha],
] as const)("%s", (_version, service) => {
  test("lists every service that is served, itself included", async () => {
    const [answer] = await reflect(service)([{ messageRequest: { case: "listServices", value: "" } }]);
    expect(answer).toMatchObject({ validHost: "h", originalRequest: { host: "h" } });
    expect(answer?.messageResponse.value).toMatchObject({
      service: [
        "semaroute.v1.RouterService",
        "semaroute.v1.AdminService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
      ].map((name) => ({ name })),
    });
  });
});

test("the files of a symbol are complete, and named as they are imported", async () => {
  const [answer] = await reflect(ServerReflection)([
    { messageRequest: { case: "fileContainingSymbol", value: "semaroute.v1.RouterService" } },
  ]);
  if (answer?.messageResponse.case !== "fileDescriptorResponse") throw new Error("no files");
  const file = answer.messageResponse.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
  expect(file.map(({ name }) => name)).toEqual(
    expect.arrayContaining(["semaroute/v1/router.proto", "buf/validate/validate.proto", "google/protobuf/descriptor.proto"]),
  );
  const ordered = new Set<FileDescriptorProto>();
  const add = (name: string): void => {
    const found = file.find((each) => each.name === name);
    if (found === undefined) throw new Error(`${name} is missing`);
    found.dependency.forEach(add);
    ordered.add(found);
  };
  add("semaroute/v1/router.proto");
  expect(ordered.size).toBe(file.length);
  const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: [...ordered] }));
  expect(registry.getService("semaroute.v1.RouterService")?.methods.map(({ name }) => name)).toContain("StreamChat");
});

const symbols = [
  ["semaroute.v1.AdminService.SwapPolicy", "semaroute/v1/admin.proto"],
  ["semaroute.v1.ChatRequest", "semaroute/v1/chat.proto"],
  ["semaroute.v1.ChatRequest.model", "semaroute/v1/chat.proto"],
  ["semaroute.v1.ContentPart.part", "semaroute/v1/chat.proto"],
  ["semaroute.v1.ToolChoice.Mode", "semaroute/v1/chat.proto"],
  ["semaroute.v1.ToolChoice.MODE_AUTO", "semaroute/v1/chat.proto"],
  ["semaroute.v1.ROLE_USER", "semaroute/v1/chat.proto"],
  ["buf.validate.field", "buf/validate/validate.proto"],
  ["google.protobuf.Timestamp", "google/protobuf/timestamp.proto"],
  ["grpc.health.v1.Health", "grpc/health/v1/health.proto"],
] as const;
test.each(symbols)("%s is found in %s", async (symbol, file) => {
  const [files] = await filesOf({ messageRequest: { case: "fileContainingSymbol", value: symbol } });
  expect(files?.[0]).toBe(file);
});

function byName(value: string): Question {
  return { messageRequest: { case: "fileByFilename", value } };
}

test("files are found by name, and what a stream has got is not sent to it twice as a dependency", async () => {
  const [chat, policy, again] = await filesOf(
    byName("semaroute/v1/chat.proto"),
    byName("semaroute/v1/policy.proto"),
    byName("semaroute/v1/chat.proto"),
  );
  expect(chat).toContain("google/protobuf/descriptor.proto");
  expect(policy?.[0]).toBe("semaroute/v1/policy.proto");
  expect(policy).not.toContain("semaroute/v1/chat.proto");
  expect(again).toEqual(["semaroute/v1/chat.proto"]);
});

test("extensions resolve by number, and all numbers of a type are told", async () => {
  const extension = { containingType: "google.protobuf.FieldOptions", extensionNumber: 1159 };
  const [files] = await filesOf({ messageRequest: { case: "fileContainingExtension", value: extension } });
  expect(files?.[0]).toBe("buf/validate/validate.proto");
  const answers = await reflect(ServerReflection)([
    { messageRequest: { case: "allExtensionNumbersOfType", value: "google.protobuf.FieldOptions" } },
    { messageRequest: { case: "allExtensionNumbersOfType", value: "semaroute.v1.ChatRequest" } },
  ]);
  expect(answers.map(({ messageResponse }) => messageResponse.value)).toMatchObject([
    { baseTypeName: "google.protobuf.FieldOptions", extensionNumber: [1159, 1160] },
    { baseTypeName: "semaroute.v1.ChatRequest", extensionNumber: [] },
  ]);
});

test("what is not there is an answer of its own, and the stream goes on", async () => {
  const answers = await reflect(ServerReflection)([
    { messageRequest: { case: "fileByFilename", value: "semaroute/v1/chat" } },
    { messageRequest: { case: "fileContainingSymbol", value: "semaroute.v1.Nope" } },
    { messageRequest: { case: "fileContainingExtension", value: { containingType: "google.protobuf.FieldOptions", extensionNumber: 1 } } },
    { messageRequest: { case: "allExtensionNumbersOfType", value: "nope" } },
    { messageRequest: { case: undefined } },
    { messageRequest: { case: "listServices", value: "*" } },
  ]);
  expect(
    answers.map(({ messageResponse }) =>
      messageResponse.case === "errorResponse" ? messageResponse.value.errorCode : messageResponse.case,
    ),
  ).toEqual([5, 5, 5, 5, 3, "listServicesResponse"]);
});

async function buf(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)("node_modules/.bin/buf", ["curl", "--http2-prior-knowledge", ...args]);
  return stdout;
}

test("buf curl lists, describes and calls without a .proto file", async () => {
  expect((await buf("--list-services", server.http2)).trim().split("\n")).toContain("semaroute.v1.AdminService");
  expect(await buf("--list-methods", server.http2)).toContain("semaroute.v1.RouterService/StreamChat");
  const url = `${server.http2}/semaroute.v1.AdminService/GetProvider`;
  expect(JSON.parse(await buf("--protocol", "grpc", "-H", "authorization: Bearer admin", "-d", '{"id":"b"}', url))).toMatchObject({
    provider: { id: "b" },
  });
});

test("the details of errors are known, though no message refers to them", async () => {
  const details = ["ErrorInfo", "BadRequest", "RequestInfo", "RetryInfo"].map(
    (name) => ({ messageRequest: { case: "fileContainingSymbol", value: `google.rpc.${name}` } }) as const,
  );
  expect((await filesOf(...details)).map(([first]) => first)).toEqual(details.map(() => "google/rpc/error_details.proto"));
});
