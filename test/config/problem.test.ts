import { describe, expect, test } from "vitest";

import { formatProblem } from "../../src/config/problem.ts";
import { nearest } from "../../src/core/suggest.ts";

describe("a problem is one line", () => {
  test.for([
    {
      problem: { file: "c.yaml", line: 3, column: 5, path: "server.prot", message: "unknown setting", suggestion: "port" },
      line: "c.yaml:3:5 server.prot: unknown setting; did you mean port?",
    },
    { problem: { file: "c.yaml", path: "", message: "cannot be read" }, line: "c.yaml: cannot be read" },
    { problem: { file: "env:A", path: "server.port", message: "wrong" }, line: "env:A server.port: wrong" },
    { problem: { path: "admin.token", message: "not set" }, line: "admin.token: not set" },
    { problem: { path: "", message: "bad" }, line: "bad" },
  ])("$line", ({ problem, line }) => expect(formatProblem(problem)).toBe(line));
});

describe("what was probably meant", () => {
  const known = ["port", "host", "primary_provider", "backup_providers", "max_body", "tls"];
  test.for([
    { written: "prot", meant: "port" },
    { written: "PORT", meant: "port" },
    { written: "hots", meant: "host" },
    { written: "max-body", meant: "max_body" },
    { written: "primary", meant: "primary_provider" },
    { written: "primary_providr", meant: "primary_provider" },
    { written: "zebra", meant: undefined },
    { written: "x", meant: undefined },
  ])("by $written is $meant", ({ written, meant }) => expect(nearest(written, known)).toBe(meant));
});
