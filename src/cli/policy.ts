import { readFileSync } from "node:fs";
import { type Loaded, type LoadInput, loadConfiguration } from "../config/load.ts";
import { policyFromSettings } from "../config/policy.ts";
import { policyFromText } from "../config/policy-file.ts";
import { formatProblem } from "../config/problem.ts";
import { reasonOf } from "../config/secret-files.ts";
import { millisecondsFrom } from "../config/values.ts";
import { type PolicyIssue, PolicyIssue_Severity, type RoutingPolicy } from "../core/chat.ts";
import { policyJson } from "../core/policy-json.ts";
import { type AdminClient, adminClient, AdminRefusal } from "./admin-client.ts";
import type { PolicyCommand } from "./policy-command.ts";
import { historyLines, simulationLines, swapLines } from "./policy-lines.ts";

/** What the command works with. */
export interface PolicyInput extends Omit<LoadInput, "explicitPath"> {
  readonly command: PolicyCommand;
  /** Problems of a policy against a configuration, without a server; errors first known by `severity`. */
  readonly examine: (
    loaded: Loaded,
    policy: RoutingPolicy,
  ) => Promise<{ readonly issues: readonly PolicyIssue[]; readonly revision: string }>;
  /** Milliseconds since the epoch. */
  readonly nowWall: number;
  /** Takes one line, without its end. */
  readonly write: (line: string) => void;
}

/** Exit codes: 0 good, 1 the server said no or nothing, 64 bad usage, 78 a bad policy or configuration. */
export async function policyCommand(input: PolicyInput): Promise<0 | 1 | 64 | 78> {
  const { command, write } = input;
  const loaded = loadConfiguration({ ...input, explicitPath: command.config });
  if (loaded.kind === "refused") {
    for (const problem of loaded.problems) write(formatProblem(problem));
    return 78;
  }
  const { url, author } = command;
  const client = adminClient(loaded, { url, author, environment: input.environment });
  try {
    return await acted(input, loaded, client);
  } catch (thrown) {
    if (thrown instanceof BadPolicy) {
      for (const line of thrown.lines) write(line);
      return 78;
    }
    if (!(thrown instanceof AdminRefusal)) throw thrown;
    write(thrown.message);
    return thrown.code === "invalid_argument" ? 78 : 1;
  }
}

async function acted(input: PolicyInput, loaded: Loaded, client: AdminClient): Promise<0 | 1 | 64 | 78> {
  const { command, write } = input;
  const told = (answer: Readonly<Record<string, unknown>>, lines: (answer: Readonly<Record<string, unknown>>) => readonly string[]): 0 => {
    for (const line of command.json ? [JSON.stringify(answer)] : lines(answer)) write(line);
    return 0;
  };
  switch (command.action) {
    case "validate":
      return validate(input, loaded, client);
    case "simulate": {
      const sinceMs = millisecondsFrom(command.since ?? "1h");
      if (sinceMs === undefined) return badUsage(write, `'--since ${command.since}' is no duration such as 30m, 1h or 7d`);
      const since = new Date(input.nowWall - sinceMs).toISOString();
      const body = { policy: policyOf(command), since, ...(command.max !== undefined && { maxDecisions: command.max }) };
      return told(await client.ask("POST", "/admin/policy/simulate", body), simulationLines);
    }
    case "swap": {
      const { expect: expectedRevision, comment, dryRun, share } = command;
      const body = { policy: policyOf(command), expectedRevision, comment, dryRun, ...(share !== undefined && { share }) };
      return told(await client.ask("PUT", "/admin/policy", body), (answer) => swapLines(answer, dryRun));
    }
    case "rollback": {
      const { subject = "0", comment } = command;
      if (!/^\d+$/.test(subject)) return badUsage(write, `'${subject}' is not the number of an activation (see semaroute policy history)`);
      return told(await client.ask("POST", "/admin/policy/rollback", { number: subject, comment }), (answer) => swapLines(answer, false));
    }
    case "history":
      return told(await client.ask("GET", `/admin/policy/revisions?pageSize=${Math.min(command.max ?? 20, 1000)}`), historyLines);
    default:
      return command.action satisfies never;
  }
}

/** Against the server where one is named, else against the configuration. */
async function validate({ command, examine, write }: PolicyInput, loaded: Loaded, client: AdminClient): Promise<0 | 78> {
  const own = command.subject === undefined;
  const policy = own ? policyFromSettings(loaded.settings.routing_policy) : policyRead(command);
  if (command.url !== undefined) {
    const answer = await client.ask("POST", "/admin/policy/validate", { policy: policyJson(policy) });
    const issues = Array.isArray(answer["issues"]) ? answer["issues"] : [];
    for (const line of command.json ? [JSON.stringify(answer)] : issues.map(issueLine)) write(line);
    if (!command.json) write(answer["valid"] === true ? `policy is valid: revision ${String(answer["revision"])}` : "policy is not valid");
    return answer["valid"] === true ? 0 : 78;
  }
  const { issues, revision } = await examine(loaded, policy);
  for (const { severity, field, message } of issues)
    write(`${severity === PolicyIssue_Severity.ERROR ? "error" : "warning"} ${field}: ${message}`);
  const isBad = issues.some(({ severity }) => severity === PolicyIssue_Severity.ERROR);
  write(isBad ? "policy is not valid" : `policy is valid: revision ${revision}`);
  return isBad ? 78 : 0;
}

function issueLine(issue: unknown): string {
  const fields: Readonly<Record<string, unknown>> = typeof issue === "object" && issue !== null ? { ...issue } : {};
  const word = fields["severity"] === "SEVERITY_ERROR" ? "error" : "warning";
  return `${word} ${String(fields["field"])}: ${String(fields["message"])}`;
}

function policyOf(command: PolicyCommand): unknown {
  return policyJson(policyRead(command));
}

class BadPolicy extends Error {
  readonly lines: readonly string[];

  constructor(lines: readonly string[]) {
    super("the policy file is bad");
    this.lines = lines;
  }
}

function policyRead({ subject = "" }: PolicyCommand): RoutingPolicy {
  let text: string;
  try {
    text = readFileSync(subject === "-" ? 0 : subject, "utf8");
  } catch (error) {
    throw new BadPolicy([`${subject}: cannot be read: ${reasonOf(error)}`]);
  }
  const read = policyFromText(text, subject);
  if (read.kind === "refused") throw new BadPolicy(read.problems.map(formatProblem));
  return read.policy;
}

function badUsage(write: (line: string) => void, text: string): 64 {
  write(text);
  return 64;
}
