import { loadConfiguration, type LoadInput } from "../config/load.ts";
import { formatProblem } from "../config/problem.ts";
import { millisecondsFrom } from "../config/values.ts";
import { type AdminClient, adminClient, AdminRefusal } from "./admin-client.ts";
import type { KeyCommand, KeyLimitOptions } from "./key-command.ts";
import { changedKeyLines, createdKeyLines, type Fields, keyListLines } from "./key-lines.ts";

/** What the command works with. */
export interface KeyInput extends Omit<LoadInput, "explicitPath"> {
  readonly command: KeyCommand;
  /** Milliseconds since the epoch. */
  readonly nowWall: number;
  /** Takes one line, without its end. */
  readonly write: (line: string) => void;
}

/** Exit codes: 0 good, 1 the server said no or nothing, 64 bad usage, 78 a bad configuration, or what the server calls invalid. */
export async function keyCommand(input: KeyInput): Promise<0 | 1 | 64 | 78> {
  const { command, write } = input;
  const loaded = loadConfiguration({ ...input, explicitPath: command.config });
  if (loaded.kind === "refused") {
    for (const problem of loaded.problems) write(formatProblem(problem));
    return 78;
  }
  const expiry = expiryFrom(command.expires, input.nowWall);
  if (expiry === undefined) {
    write(`'--expires ${command.expires}' is no duration such as 90d, no time such as 2027-01-31T00:00:00Z, and not never`);
    return 64;
  }
  const client = adminClient(loaded, { url: command.url, author: command.author, environment: input.environment });
  try {
    const [answer, lines] = await acted(command, expiry, client);
    for (const line of command.json ? [JSON.stringify(answer)] : lines(answer)) write(line);
    return 0;
  } catch (thrown) {
    if (!(thrown instanceof AdminRefusal)) throw thrown;
    write(thrown.message);
    return thrown.code === "invalid_argument" ? 78 : 1;
  }
}

type Acted = readonly [answer: Fields, lines: (answer: Fields) => readonly string[]];

async function acted(command: KeyCommand, expiry: Fields, client: AdminClient): Promise<Acted> {
  const { action, subject, name, models, labels } = command;
  const path = `/admin/keys/${encodeURIComponent(subject)}`;
  const said = {
    ...(name !== undefined && { name }),
    ...(command.priority !== undefined && { priority: `PRIORITY_${command.priority.toUpperCase()}` }),
    ...(command.limits !== undefined && { limits: limitsFrom(command.limits) }),
    ...expiry,
  };
  switch (action) {
    case "create": {
      const { neverExpires: _always, ...init } = { neverExpires: undefined, ...said };
      return [await client.ask("POST", "/admin/keys", { ...init, models, labels }), createdKeyLines];
    }
    case "update": {
      const wrapped = { ...(models !== undefined && { models: { models } }), ...(labels !== undefined && { labels: { labels } }) };
      return [await client.ask("PATCH", path, { ...said, ...wrapped }), changedKeyLines];
    }
    case "revoke":
      return [await client.ask("DELETE", path), changedKeyLines];
    case "list":
      return [{ keys: await allKeys(client) }, keyListLines];
    default:
      return action satisfies never;
  }
}

async function allKeys(client: AdminClient): Promise<readonly unknown[]> {
  const keys: unknown[] = [];
  let token = "";
  do {
    const page = await client.ask("GET", `/admin/keys?pageSize=1000&pageToken=${encodeURIComponent(token)}`);
    if (Array.isArray(page["keys"])) keys.push(...page["keys"]);
    token = typeof page["nextPageToken"] === "string" ? page["nextPageToken"] : "";
  } while (token !== "");
  return keys;
}

/** The request's fields; undefined: nobody can tell what is meant. */
function expiryFrom(when: string | undefined, nowWall: number): Fields | undefined {
  if (when === undefined) return {};
  if (when === "never") return { neverExpires: true };
  const ms = millisecondsFrom(when);
  // Of itself the parser takes much for a time, and 90 for a year.
  const at = /^\d{4}-\d\d-\d\d(?:T|$)/.test(when) ? Date.parse(when) : Number.NaN;
  const wall = ms === undefined ? at : nowWall + ms;
  const time = new Date(wall);
  return Number.isNaN(time.getTime()) ? undefined : { expireTime: time.toISOString() };
}

function limitsFrom({ budgetUsd, budgetPeriod, ...counts }: KeyLimitOptions): Fields {
  return { ...counts, budgetMicroUsd: budgetUsd === undefined ? undefined : Math.round(budgetUsd * 1e6), budgetPeriod };
}
