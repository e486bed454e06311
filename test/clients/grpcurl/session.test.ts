/** The grpcurl lines of the pages are true: they parse, they are complete, and they promise nothing that is not there. */
import { readFileSync } from "node:fs";
import { type DescMethod, type DescService, fromJson, type JsonValue } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import { describe, expect, test } from "vitest";
import { Health } from "../../../gen/grpc/health/v1/health_pb.ts";
import { AdminService } from "../../../gen/semaroute/v1/admin_pb.ts";
import { RouterService } from "../../../gen/semaroute/v1/router_pb.ts";
import { adminRoutes } from "../../../src/server/rest/admin.ts";
import { adminService } from "../../../src/server/rpc/admin.ts";
import { routerService } from "../../../src/server/rpc/router.ts";
import { fakeOperations } from "../../server/fake-operations.ts";
import { commandsOf, grpcurlCall, missingLines, type SessionCommand, shownCode } from "./session.ts";

const pageOf = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8");
const pages = ["docs/grpcurl.md", "docs/operations.md", "docs/policies.md", "docs/protocols.md", "README.md"];
const calls = pages.flatMap((page) =>
  commandsOf(pageOf(page)).flatMap((command) => {
    const call = grpcurlCall(command);
    return call === undefined ? [] : [{ ...call, at: `${page}:${command.line}`, page, code: shownCode(command) }];
  }),
);
const services: readonly DescService[] = [AdminService, RouterService, Health];
const validator = createValidator();

/** Methods that this release has, by the code itself. */
const present = {
  [AdminService.typeName]: Object.keys(adminService(fakeOperations())),
  // Nothing is called: the methods are only counted.
  [RouterService.typeName]: Object.keys(routerService({} as Parameters<typeof routerService>[0])),
};
const namesOf = ({ typeName, methods }: DescService, isPresent: boolean): string[] =>
  methods.filter(({ localName }) => present[typeName]?.includes(localName) === isPresent).map(({ name }) => name);

function methodOf(service: string, method: string): DescMethod | undefined {
  return services.find(({ typeName }) => typeName === service)?.methods.find(({ name }) => name === method);
}

describe("grpcurl lines of the pages", () => {
  test("name methods that exist, and are requests of theirs", () => {
    expect(calls.length).toBeGreaterThan(30);
    for (const { at, service, method, data } of calls) {
      const found = methodOf(service, method);
      expect(found, `${at}: ${service}/${method}`).toBeDefined();
      if (found === undefined) continue;
      const request = fromJson(found.input, JSON.parse(data ?? "{}") as JsonValue);
      expect(validator.validate(found.input, request).kind, `${at}: ${data}`).toBe("valid");
    }
  });
  test.each([AdminService, RouterService])("show every method of $typeName that this release has, with a good end", (service) => {
    const shown = calls.filter((call) => call.page === "docs/grpcurl.md" && call.service === service.typeName);
    // What is watched ends by grpcurl's own time limit.
    const good = shown.filter(({ code, method }) => code === undefined || (code === "DeadlineExceeded" && method.startsWith("Watch")));
    expect([...new Set(good.map(({ method }) => method))].toSorted()).toEqual(namesOf(service, true).toSorted());
  });
  test("call no method that this release has not, but to show what it answers", () => {
    const missing = services.flatMap((service) => (present[service.typeName] === undefined ? [] : namesOf(service, false)));
    const wrong = calls.filter(({ method, code }) => missing.includes(method) && code !== "Unimplemented");
    expect(wrong.map(({ at }) => at)).toEqual([]);
  });
  test("are beside a list of exactly those methods that are not in this release", () => {
    for (const page of ["docs/grpcurl.md", "docs/operations.md"]) {
      const told = /\*\*UNIMPLEMENTED in this release:\*\*([\w\s,]+)\./.exec(pageOf(page))?.[1]?.split(",") ?? [];
      expect(told.map((name) => name.trim()).toSorted(), page).toEqual(namesOf(AdminService, false).toSorted());
    }
  });
});

test("the tables of operations.md have every REST path of a method that this release has", () => {
  const text = pageOf("docs/operations.md");
  for (const { verb, path, method } of adminRoutes.filter((route) => namesOf(AdminService, true).includes(route.method.name))) {
    const row = text.split("\n").find((line) => line.startsWith(`| ${method.name} |`));
    expect(row, method.name).toContain(`\`${verb} ${path.replace("{providers}", "{id}")}\``);
  }
});

describe("a session", () => {
  const page = [
    "```console",
    '$ grpcurl -plaintext -H "$admin" -d \'{',
    '    "id": "\'$id\'"}\' \\',
    "    $at a.B/C",
    "{",
    '  "time": "2026-11-30T00:00:00Z",',
    "  …",
    "}",
    "",
    '$ x=$(grpcurl -d "{\\"a\\": 1}" $at a.B/D | sed \'s/a/b/\')',
    "$ grpcurl $at a.B/E",
    "ERROR:",
    "  Code: NotFound",
    "```",
    "```sh",
    "$ grpcurl $at a.B/F",
    "```",
  ].join("\n");
  const commands = commandsOf(page);
  const [first] = commands as [SessionCommand];
  test("is read as a shell would", () => {
    expect(commands.map((command) => [command.line, grpcurlCall(command)])).toEqual([
      [2, { service: "a.B", method: "C", data: '{\n    "id": "$id"}' }],
      [10, { service: "a.B", method: "D", data: '{"a": 1}' }],
      [11, { service: "a.B", method: "E", data: undefined }],
    ]);
    expect(commands.map(shownCode)).toEqual([undefined, undefined, "NotFound"]);
  });
  test("shows what another run shows, too, times and numbers aside", () => {
    expect(missingLines(first, '{\n  "time": "2027-01-01T11:22:33.444Z"\n  "more": 1\n}')).toEqual([]);
    expect(missingLines(first, '{\n  "date": "2027-01-01T11:22:33.444Z"\n}')).toEqual(['  "time": "2026-11-30T00:00:00Z",']);
  });
});
