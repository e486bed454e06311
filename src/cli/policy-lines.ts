type Fields = Readonly<Record<string, unknown>>;

/** What a simulation found, for people. */
export function simulationLines(answer: Fields): string[] {
  const decisions = Number(answer["decisions"] ?? 0);
  if (decisions === 0) return ["no decision to replay in that time"];
  const before = fieldsOf(answer["shareBefore"]);
  const after = fieldsOf(answer["shareAfter"]);
  const targets = [...new Set([...Object.keys(before), ...Object.keys(after)])].toSorted();
  const width = Math.max(...targets.map((target) => target.length), "first token p50".length);
  const row = (name: string, one: string, other: string): string => `${name.padEnd(width)}  ${one.padStart(14)}  ${other.padStart(14)}`;
  return [
    `${decisions} ${decisions === 1 ? "decision" : "decisions"} replayed, ${String(answer["moved"])} of them would have gone elsewhere first`,
    row("", "before", "after"),
    row("cost", usd(answer["costBeforeMicroUsd"]), usd(answer["costAfterMicroUsd"])),
    row("first token p50", duration(answer["firstTokenP50Before"]), duration(answer["firstTokenP50After"])),
    ...targets.map((target) => row(target, part(before[target], decisions), part(after[target], decisions))),
  ];
}

/** What a change did. */
export function swapLines(answer: Fields, dryRun: boolean): string[] {
  const policy = fieldsOf(answer["policy"]);
  const share = Number(policy["share"] ?? 1);
  const name = `revision ${String(policy["revision"])}`;
  const state = share < 1 ? `tried on ${percent(share)} of the callers` : "active";
  const { previousRevision } = answer;
  const previous = typeof previousRevision === "string" ? previousRevision : "";
  const issues = Array.isArray(answer["issues"]) ? answer["issues"].map(fieldsOf) : [];
  return [
    ...issues.map((issue) => `warning ${String(issue["field"])}: ${String(issue["message"])}`),
    dryRun
      ? `nothing was changed; ${name} would be ${state}`
      : `${name} is ${state} (number ${String(policy["number"])}${previous === "" ? "" : `; active before: ${previous}`})`,
  ];
}

/** One line an activation. */
export function historyLines(answer: Fields): string[] {
  const revisions = Array.isArray(answer["revisions"]) ? answer["revisions"].map(fieldsOf) : [];
  return revisions.map((each) => {
    const share = Number(each["share"] ?? 1);
    const columns = [
      String(each["number"]).padStart(5),
      String(each["revision"]),
      String(each["activateTime"]),
      (share < 1 ? percent(share) : "all").padStart(6),
      String(each["author"]),
      String(each["comment"]),
    ];
    return columns.join("  ").trimEnd();
  });
}

function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function usd(micro: unknown): string {
  return `$${(Number(micro ?? 0) / 1e6).toFixed(6)}`;
}

function duration(text: unknown): string {
  return typeof text === "string" ? `${Math.round(Number.parseFloat(text) * 1000)} ms` : "unknown";
}

function part(count: unknown, of: number): string {
  return percent(Number(count ?? 0) / of);
}

function percent(share: number): string {
  return `${Math.round(share * 1000) / 10} %`;
}
