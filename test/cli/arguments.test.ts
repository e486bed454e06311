import { describe, expect, test } from "vitest";

import { parseArguments } from "../../src/cli/arguments.ts";

const words = (line: string): readonly string[] => line.split(" ").filter((word) => word !== "");

describe("the command line", () => {
  test.for([
    { line: "", command: { kind: "serve", config: undefined } },
    { line: "serve", command: { kind: "serve", config: undefined } },
    { line: "--config a.yaml", command: { kind: "serve", config: "a.yaml" } },
    { line: "--config=a.yaml", command: { kind: "serve", config: "a.yaml" } },
    { line: "-config=a.yaml", command: { kind: "serve", config: "a.yaml" } },
    { line: "-config a.yaml", command: { kind: "serve", config: "a.yaml" } },
    { line: "serve --config a.yaml", command: { kind: "serve", config: "a.yaml" } },
    { line: "--config a.yaml serve", command: { kind: "serve", config: "a.yaml" } },
    { line: "check", command: { kind: "check", config: undefined, strict: false } },
    { line: "check --strict", command: { kind: "check", config: undefined, strict: true } },
    { line: "check --strict --config=a.yaml", command: { kind: "check", config: "a.yaml", strict: true } },
    { line: "-config=a.yaml check -strict", command: { kind: "check", config: "a.yaml", strict: true } },
    { line: "schema", command: { kind: "schema" } },
    { line: "--version", command: { kind: "version" } },
    { line: "-version", command: { kind: "version" } },
    { line: "serve --version", command: { kind: "version" } },
  ])("'$line' is understood", ({ line, command }) => expect(parseArguments(words(line))).toEqual(command));

  test.for(["--help", "-h", "-help", "help", "check --help", "help check", "serve -h"])("'%s' is answered with help", (line) => {
    const command = parseArguments(words(line));
    expect(command).toMatchObject({ kind: "help", text: expect.stringMatching(/^Usage: semaroute[^]*--config <FILE>/) });
  });

  test.for([
    { line: "srve", message: "unknown command 'srve'; did you mean serve?" },
    { line: "chek --strict", message: expect.anything() },
    { line: "zebra", message: "unknown command 'zebra'" },
    { line: "--confg a.yaml", message: "unknown option '--confg'; did you mean --config?" },
    { line: "check --strct", message: "unknown option '--strct'; did you mean --strict?" },
    { line: "-x", message: "unknown option '-x'" },
    { line: "--strict", message: "unknown option '--strict'" },
    { line: "--config", message: "option '--config <FILE>' argument missing" },
    { line: "--config=", message: "option '--config <FILE>' needs the name of a file" },
    { line: "check --config=", message: "option '--config <FILE>' needs the name of a file" },
    { line: "serve now", message: "too many arguments for 'serve'. Expected 0 arguments but got 1: now" },
    { line: "key", message: "'key' needs one of create, list, update, revoke" },
    { line: "policy", message: "'policy' needs one of validate, simulate, swap, rollback, history" },
    { line: "key lst", message: "unknown command 'lst'; did you mean list?" },
    { line: "help zebra", message: expect.anything() },
  ])("'$line' is bad usage", ({ line, message }) => {
    const command = parseArguments(words(line));
    expect(command.kind).toBe("usage");
    if (command.kind === "usage") expect(command.message.replace(/ \(see semaroute --help\)$/, "")).toEqual(message);
  });
});
