import { type Command as Commander, Option } from "commander";

/** What is to be done with policies. */
export interface PolicyCommand {
  readonly kind: "policy";
  readonly action: "validate" | "simulate" | "swap" | "rollback" | "history";
  /** Configuration file. */
  readonly config: string | undefined;
  /** The server; undefined: the configured one. */
  readonly url: string | undefined;
  /** The policy's file, or the number of an activation; undefined: not told. */
  readonly subject: string | undefined;
  /** Answers of the server as they came, instead of words. */
  readonly json: boolean;
  readonly author: string | undefined;
  readonly comment: string;
  readonly expect: string;
  /** Of the callers, above 0; undefined: all. */
  readonly share: number | undefined;
  readonly dryRun: boolean;
  /** How far back decisions are replayed, as written; undefined: an hour. */
  readonly since: string | undefined;
  /** Decisions replayed, or revisions listed; undefined: the usual number. */
  readonly max: number | undefined;
}

/** Adds `policy` and its actions to the program. */
export function addPolicyCommands(program: Commander, configOption: () => Option, choose: (command: PolicyCommand) => void): void {
  const policy = program.command("policy").description("check, try, change and take back the routing policy of a running server");
  const action = (name: PolicyCommand["action"], argument: string | undefined, description: string): Commander => {
    const command = policy.command(name).description(description);
    if (argument !== undefined) command.argument(argument);
    return command
      .addOption(configOption())
      .addOption(new Option("--url <URL>", "the server; default: the one of the configuration"))
      .option("--json", "the server's answer as it came")
      .action(() => choose(chosen(name, command)));
  };
  action("validate", "[file]", "check a policy file, or the configuration's own policy; with --url against a server's configuration");
  action("simulate", "<file>", "what a policy would have made of recorded calls")
    .option("--since <DURATION>", "how far back; default: 1h")
    .option("--max <NUMBER>", "decisions at most; default: 10000");
  changing(action("swap", "<file>", "put a policy in force"))
    .option("--expect <REVISION>", "only if this one is active")
    .option("--share <SHARE>", "try it on a share of the callers, such as 0.05")
    .option("--dry-run", "change nothing");
  changing(action("rollback", "[number]", "back to an earlier activation; without a number: out with the canary, else one back"));
  action("history", undefined, "the policies that were in force, newest first").option("--max <NUMBER>", "at most; default: 20");
}

function changing(command: Commander): Commander {
  return command.option("--comment <TEXT>", "why").option("--author <NAME>", "who; default: admin");
}

function chosen(action: PolicyCommand["action"], command: Commander): PolicyCommand {
  const options = command.optsWithGlobals<Record<string, unknown>>();
  const text = (name: string): string | undefined => {
    const value = options[name];
    return typeof value === "string" ? value : undefined;
  };
  const number = (name: string): number | undefined => {
    const value = text(name);
    if (value === undefined) return undefined;
    if (!/^\d+(?:\.\d+)?$/.test(value)) return command.error(`error: option '--${name}' needs a number, not '${value}'`);
    return Number(value);
  };
  const share = number("share");
  if (share !== undefined && (share <= 0 || share > 1)) command.error("error: option '--share' is above 0 and at most 1");
  return {
    kind: "policy",
    action,
    config: text("config"),
    url: text("url"),
    subject: command.args[0],
    json: options["json"] === true,
    author: text("author"),
    comment: text("comment") ?? "",
    expect: text("expect") ?? "",
    share,
    dryRun: options["dryRun"] === true,
    since: text("since"),
    max: number("max"),
  };
}
