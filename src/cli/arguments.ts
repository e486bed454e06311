import { Command as Commander, CommanderError, Option } from "commander";

import { nearest } from "../core/suggest.ts";
import { addKeyCommands, type KeyCommand } from "./key-command.ts";
import { addPolicyCommands, type PolicyCommand } from "./policy-command.ts";

/** What the command line asks for. */
export type Command =
  | { readonly kind: "serve"; readonly config: string | undefined }
  /** `strict`: warnings fail too. */
  | { readonly kind: "check"; readonly config: string | undefined; readonly strict: boolean }
  /** Where a call for a model would go. */
  | { readonly kind: "explain"; readonly config: string | undefined; readonly model: string; readonly streamed: boolean }
  | PolicyCommand
  /** JSON Schema of the configuration file. */
  | { readonly kind: "schema" }
  | KeyCommand
  | { readonly kind: "version" }
  | { readonly kind: "help"; readonly text: string }
  /** The line was not understood; exit code 64. */
  | { readonly kind: "usage"; readonly message: string };

/** Reads the arguments after the program's name. */
export function parseArguments(argv: readonly string[]): Command {
  let command: Command | undefined;
  const told: string[] = [];
  const program = createProgram(told, (asked) => {
    command = asked;
  });
  try {
    program.parse(argv.map(doubleDash), { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const text = told.join("").trimEnd();
    if (error.exitCode === 0) return { kind: "help", text };
    if (error.code === "commander.help") return usage(missingWord(program, argv));
    return usage(
      error.message
        .replace(/^error: /, "")
        .replace(/\.$/, "")
        .replace(/\n\(Did you mean (.+)\?\)$/, "; did you mean $1?"),
    );
  }
  return command ?? usage("nothing to do");
}

function createProgram(told: string[], choose: (command: Command) => void): Commander {
  const write = (text: string): void => void told.push(text);
  const program = new Commander("semaroute")
    .description("LLM router: one port for gRPC, gRPC-Web, Connect, JSON and the OpenAI API.")
    .usage(
      "[serve] [--config FILE] | check [--strict] | explain --model M | policy validate|simulate|swap|rollback|history | key create|list|update|revoke | schema",
    )
    .exitOverride()
    .configureOutput({ writeOut: write, writeErr: () => undefined })
    .argument("[command]")
    .addOption(configOption())
    .addOption(new Option("--version", "print the version"))
    .helpOption("-h, --help", "print this text")
    .helpCommand("help [command]", "print this text, or a command's")
    .action((word: string | undefined) => {
      choose(
        word === undefined
          ? chosen(program, "serve")
          : unknownCommand(word, ["serve", "check", "explain", "policy", "key", "schema", "help"]),
      );
    });
  program
    .command("serve")
    .description("listen and route (what happens without a command)")
    .addOption(configOption())
    .action((_options, command: Commander) => choose(chosen(command, "serve")));
  program
    .command("check")
    .description("check the configuration and leave: 0 good, 78 bad")
    .addOption(configOption())
    .option("--strict", "warnings fail too")
    .action((_options, command: Commander) => choose(chosen(command, "check")));
  program
    .command("explain")
    .description("tell where the configuration would send a call, without a server")
    .addOption(configOption())
    .requiredOption("--model <NAME>", "the model that is asked for")
    .option("--stream", "as if a stream was asked for")
    .action((_options, command: Commander) => choose(explained(command)));
  addPolicyCommands(program, configOption, choose);
  program
    .command("schema")
    .description("print the JSON Schema of the configuration file, for editors")
    .action(() => choose({ kind: "schema" }));
  addKeyCommands(program, configOption, choose);
  return program;
}

function chosen(command: Commander, kind: "serve" | "check"): Command {
  // With those of the program before it: `semaroute --config FILE check` is understood too.
  const { version, config, strict } = command.optsWithGlobals<Record<string, unknown>>();
  if (version === true) return { kind: "version" };
  if (config === "") return usage("option '--config <FILE>' needs the name of a file");
  const file = typeof config === "string" ? config : undefined;
  return kind === "serve" ? { kind, config: file } : { kind, config: file, strict: strict === true };
}

function explained(command: Commander): Command {
  const { config, model, stream } = command.optsWithGlobals<Record<string, unknown>>();
  return { kind: "explain", config: typeof config === "string" ? config : undefined, model: String(model), streamed: stream === true };
}

function configOption(): Option {
  return new Option("--config <FILE>", "configuration file; default: $SEMAROUTE_CONFIG, else ./config.yaml, else the environment");
}

function unknownCommand(word: string, known: readonly string[]): Command {
  const suggestion = nearest(word, known);
  return usage(`unknown command '${word}'${suggestion === undefined ? "" : `; did you mean ${suggestion}?`}`);
}

/** A command that has commands of its own, and none of them was named. */
function missingWord(program: Commander, argv: readonly string[]): string {
  const group = program.commands.find((command) => command.commands.length > 0 && argv.includes(command.name()));
  const words = group?.commands.map((command) => command.name()).join(", ");
  return group === undefined ? "a command is missing" : `'${group.name()}' needs one of ${words}`;
}

function usage(message: string): Command {
  return { kind: "usage", message: `${message} (see semaroute --help)` };
}

/** The forms of the Go program: `-config=FILE`, `-config FILE`, `-version`. */
function doubleDash(argument: string): string {
  return /^-(config|version|help|strict)(=|$)/.test(argument) ? `-${argument}` : argument;
}
