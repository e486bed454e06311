/** `buf curl`: another language's client (Go), that knows of the API what reflection tells it. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { fromBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ErrorInfo, ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { type ServerProcess, startServer } from "../support/server.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const open = new AsyncDisposableStack();
let server: ServerProcess;

beforeAll(async () => {
  server = open.use(
    await startServer(`
providers:
  one: { type: simulated, first_token: 1ms, tokens_per_second: 10000 }
  two: { type: simulated, first_token: 1ms, tokens_per_second: 10000 }
`),
  );
});

afterAll(() => open.disposeAsync());

/** Reflection needs HTTP/2, and so does gRPC; over HTTP/1.1 the schema comes from files. */
const ways = [
  { way: "gRPC", flags: ["--protocol", "grpc", "--http2-prior-knowledge"] },
  { way: "gRPC-Web over HTTP/2", flags: ["--protocol", "grpcweb", "--http2-prior-knowledge"] },
  { way: "gRPC-Web over HTTP/1.1", flags: ["--protocol", "grpcweb", "--reflect=false", "--schema", root] },
  { way: "Connect over HTTP/2", flags: ["--protocol", "connect", "--http2-prior-knowledge"] },
  { way: "Connect over HTTP/1.1", flags: ["--protocol", "connect", "--reflect=false", "--schema", root] },
];

const hello = { model: "auto", messages: [{ role: "ROLE_USER", text: "hello over there" }] };

test("reflection lists the services", async () => {
  const { output } = await bufCurl("", ["--http2-prior-knowledge", "--list-services"]);
  const services = ["AdminService", "RouterService"].map((name) => `semaroute.v1.${name}`);
  expect(output.split("\n").filter(Boolean).toSorted()).toEqual([
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    ...services,
  ]);
});

test("the older reflection protocol serves as well", async () => {
  const { messages } = await bufCurl("grpc.health.v1.Health/Check", ["--protocol", "grpc", "--reflect-protocol", "grpc-v1alpha", ...plain]);
  expect(messages).toEqual([{ status: "SERVING" }]);
});

for (const { way, flags } of ways) {
  test(`Chat, StreamChat, ListModels and Check work by ${way}`, async () => {
    const [chat, stream, list, health] = await Promise.all([
      bufCurl("semaroute.v1.RouterService/Chat", flags, hello),
      bufCurl("semaroute.v1.RouterService/StreamChat", flags, hello),
      bufCurl("semaroute.v1.RouterService/ListModels", flags),
      bufCurl("grpc.health.v1.Health/Check", flags, { service: "semaroute.v1.RouterService" }),
    ]);
    expect(chat.messages).toMatchObject([{ choices: [{ message: { text: "hello over there" } }], route: { attempts: [{ won: true }] } }]);
    const cases = stream.messages.map((event) => Object.keys(event)[0]);
    expect([cases[0], cases.at(-1)]).toEqual(["started", "completed"]);
    expect(stream.messages.map((event) => textOf(event)).join("")).toBe("hello over there");
    expect(list.messages).toMatchObject([{ models: [{ id: "sim-chat", providers: ["one", "two"] }, { id: "sim-embed" }] }]);
    expect(health.messages).toEqual([{ status: "SERVING" }]);
  });

  test(`an unknown model is the same error by ${way}`, async () => {
    const { error } = await bufCurl("semaroute.v1.RouterService/Chat", flags, { ...hello, model: "nobody/knows" });
    expect(error).toMatchObject({ code: "not_found", message: 'model "nobody/knows" is not known here' });
    expect(errorInfoOf(error)).toMatchObject({ reason: "MODEL_NOT_FOUND", domain: "semaroute.dev" });
  });
}

const plain = ["--http2-prior-knowledge"];

test("without a configured token, admin's reading methods answer this machine, and changing ones do not", async () => {
  const { messages } = await bufCurl("semaroute.v1.AdminService/ListProviders", plain);
  expect(messages).toMatchObject([{ providers: [{ id: "one" }, { id: "two" }] }]);
  const { error } = await bufCurl("semaroute.v1.AdminService/SwapPolicy", plain, swap);
  expect(error).toMatchObject({ code: "unauthenticated" });
});

test("behind a proxy, the reading methods want the token, too", async () => {
  const { error } = await bufCurl("semaroute.v1.AdminService/ListProviders", [...plain, "-H", "x-forwarded-for: 192.0.2.1"]);
  expect(error).toMatchObject({ code: "unauthenticated" });
});

test("with the token a policy is swapped, and the next call follows it", async () => {
  const admin = [...plain, "-H", `authorization: Bearer ${server.adminToken}`];
  const { messages } = await bufCurl("semaroute.v1.AdminService/SwapPolicy", admin, swap);
  expect(messages).toMatchObject([{ policy: { revision: expect.any(String), policy: { name: "two-first" } } }]);
  const { messages: answers } = await bufCurl("semaroute.v1.RouterService/Chat", plain, hello);
  expect(answers).toMatchObject([{ route: { provider: "two" } }]);
  const { error } = await bufCurl("semaroute.v1.AdminService/SwapPolicy", admin, { ...swap, expectedRevision: "another" });
  expect(error).toMatchObject({ code: "aborted" });
});

const swap = { policy: { name: "two-first", failover: { primaryProvider: "two", backupProviders: ["one"] } } };

const carrier = z.object({ details: z.array(z.object({ type: z.string(), value: z.base64url() })) });

/** The detail every error has, from its bytes, because only Connect prints it in words. */
function errorInfoOf(error: unknown): ErrorInfo | undefined {
  const detail = carrier.parse(error).details.find(({ type }) => type === "google.rpc.ErrorInfo");
  return detail && fromBinary(ErrorInfoSchema, Buffer.from(detail.value, "base64url"));
}

interface Printed {
  readonly output: string;
  /** What was printed on stdout, as JSON values. */
  readonly messages: readonly Readonly<Record<string, unknown>>[];
  /** What was printed on stderr, as JSON; undefined: the call succeeded. */
  readonly error: unknown;
}

function bufCurl(path: string, flags: readonly string[], request: object = {}): Promise<Printed> {
  const data = path === "" ? [] : ["-d", JSON.stringify(request)];
  return new Promise((resolve) => {
    execFile(`${root}node_modules/.bin/buf`, ["curl", ...flags, ...data, `${server.url}/${path}`], (failed, output, complaint) => {
      resolve({ output, messages: path === "" ? [] : jsonValues(output), error: failed === null ? undefined : jsonOr(complaint) });
    });
  });
}

/** `buf curl` prints each message over several lines, and ends each with a brace at the line's start. */
function jsonValues(text: string): Readonly<Record<string, unknown>>[] {
  return text
    .split(/(?<=^\})\n/m)
    .filter((part) => part.trim() !== "")
    .map((part) => z.record(z.string(), z.unknown()).parse(JSON.parse(part)));
}

function jsonOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function textOf(event: Readonly<Record<string, unknown>>): string {
  const delta = event["partDelta"];
  return typeof delta === "object" && delta !== null && "text" in delta ? String(delta.text) : "";
}
