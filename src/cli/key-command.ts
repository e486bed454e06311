import { type Command as Commander, Option } from "commander";

/** What is to be done with callers' keys. */
export interface KeyCommand {
  readonly kind: "key";
  readonly action: "create" | "list" | "update" | "revoke";
  /** Configuration file. */
  readonly config: string | undefined;
  /** The server; undefined: the configured one. */
  readonly url: string | undefined;
  /** The new key's name, or a key's id; empty for a list. */
  readonly subject: string;
  /** Answers of the server as they came, instead of words. */
  readonly json: boolean;
  readonly author: string | undefined;
  /** What is said of the key; undefined: nothing. */
  readonly name: string | undefined;
  /** Empty: all. */
  readonly models: readonly string[] | undefined;
  readonly labels: Readonly<Record<string, string>> | undefined;
  /** A duration from now, a time, or `never`, as written. */
  readonly expires: string | undefined;
  readonly priority: string | undefined;
  readonly limits: KeyLimitOptions | undefined;
}

/** Undefined: none. */
export interface KeyLimitOptions {
  readonly requestsPerMinute: number | undefined;
  readonly tokensPerMinute: number | undefined;
  readonly concurrentCalls: number | undefined;
  readonly budgetUsd: number | undefined;
  readonly budgetPeriod: string | undefined;
}

/** Adds `key` and its actions to the program. */
export function addKeyCommands(program: Commander, configOption: () => Option, choose: (command: KeyCommand) => void): void {
  const key = program.command("key").description("issue, list, change and revoke callers' keys of a running server");
  const action = (name: KeyCommand["action"], argument: string | undefined, description: string): Commander => {
    const command = key.command(name).description(description);
    if (argument !== undefined) command.argument(argument);
    return command
      .addOption(configOption())
      .addOption(new Option("--url <URL>", "the server; default: the one of the configuration"))
      .option("--json", "the server's answer as it came")
      .action(() => choose(chosen(name, command)));
  };
  saying(action("create", "<name>", "issue a key; its secret is shown once"));
  action("list", undefined, "all keys, without secrets");
  saying(action("update", "<id>", "change a key; what is not said stays")).option("--name <NAME>", "another name");
  action("revoke", "<id>", "end a key, and what runs under it").option("--author <NAME>", "who; default: admin");
}

function saying(command: Commander): Commander {
  return command
    .option("--models <NAMES>", "models it may use, with commas between them; all: every one")
    .option("--label <NAME=VALUE...>", "labels, which rules of a policy may go by; all of them, where any is said")
    .option("--expires <WHEN>", "a duration such as 90d, a time such as 2027-01-31T00:00:00Z, or never")
    .addOption(new Option("--priority <WORD>", "who is refused first in an overload").choices(["low", "normal", "high"]))
    .option("--requests-per-minute <NUMBER>", "a limit; all limits are replaced, where any is said")
    .option("--tokens-per-minute <NUMBER>", "a limit")
    .option("--concurrent-calls <NUMBER>", "a limit")
    .option("--budget <USD>", "money it may spend in a period")
    .addOption(new Option("--budget-period <WORD>", "default: month").choices(["day", "month", "total"]))
    .option("--author <NAME>", "who; default: admin");
}

function chosen(action: KeyCommand["action"], command: Commander): KeyCommand {
  const options = command.optsWithGlobals<Record<string, unknown>>();
  const text = (name: string): string | undefined => {
    const value = options[name];
    return typeof value === "string" ? value : undefined;
  };
  const models = text("models");
  return {
    kind: "key",
    action,
    config: text("config"),
    url: text("url"),
    subject: command.args[0] ?? "",
    json: options["json"] === true,
    author: text("author"),
    name: action === "create" ? command.args[0] : text("name"),
    models: models === undefined ? undefined : models === "all" ? [] : models.split(",").map((name) => name.trim()),
    labels: labelsFrom(options["label"], command),
    expires: text("expires"),
    priority: text("priority"),
    limits: limitsFrom(command, text),
  };
}

function labelsFrom(said: unknown, command: Commander): Readonly<Record<string, string>> | undefined {
  if (!Array.isArray(said)) return undefined;
  const pairs = said.map((each: unknown) => {
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(String(each)) ?? [];
    if (name === undefined || value === undefined) return command.error(`error: option '--label' needs NAME=VALUE, not '${String(each)}'`);
    return [name, value] as const;
  });
  return Object.fromEntries(pairs);
}

function limitsFrom(command: Commander, text: (name: string) => string | undefined): KeyLimitOptions | undefined {
  const number = (name: string, option: string, pattern = /^\d+$/): number | undefined => {
    const value = text(name);
    if (value === undefined) return undefined;
    return pattern.test(value) ? Number(value) : command.error(`error: option '--${option}' needs a number, not '${value}'`);
  };
  const limits = {
    requestsPerMinute: number("requestsPerMinute", "requests-per-minute"),
    tokensPerMinute: number("tokensPerMinute", "tokens-per-minute"),
    concurrentCalls: number("concurrentCalls", "concurrent-calls"),
    budgetUsd: number("budget", "budget", /^\d+(?:\.\d{1,6})?$/),
    budgetPeriod: text("budgetPeriod"),
  };
  return Object.values(limits).every((limit) => limit === undefined) ? undefined : limits;
}
