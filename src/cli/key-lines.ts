/** An answer of the server, or a part of one. */
export type Fields = Readonly<Record<string, unknown>>;

/** The one time that a secret is shown. */
export function createdKeyLines(answer: Fields): string[] {
  const key = fieldsOf(answer["key"]);
  return [`${textOf(key["id"])} (${textOf(key["name"])}); its secret is shown now and never again:`, textOf(answer["secret"])];
}

/** What became of a key. */
export function changedKeyLines(answer: Fields): string[] {
  return keyListLines({ keys: [answer["key"]] });
}

/** One line a key. */
export function keyListLines(answer: Fields): string[] {
  const keys = Array.isArray(answer["keys"]) ? answer["keys"].map(fieldsOf) : [];
  const rows = keys.map((key) => [
    textOf(key["id"]),
    textOf(key["prefix"]),
    textOf(key["name"]),
    stateOf(key),
    modelsOf(key),
    limitsOf(key),
  ]);
  const widths = [0, 1, 2, 3].map((column) => Math.max(0, ...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

function stateOf({ revokeTime, expireTime }: Fields): string {
  if (typeof revokeTime === "string") return `revoked ${revokeTime}`;
  return typeof expireTime === "string" ? `until ${expireTime}` : "";
}

function modelsOf({ models }: Fields): string {
  return Array.isArray(models) && models.length > 0 ? models.join(",") : "all models";
}

function limitsOf({ limits }: Fields): string {
  const { requestsPerMinute, tokensPerMinute, concurrentCalls, budgetMicroUsd, budgetPeriod } = fieldsOf(limits);
  const told = [
    [requestsPerMinute, `${String(requestsPerMinute)} requests/min`],
    [tokensPerMinute, `${String(tokensPerMinute)} tokens/min`],
    [concurrentCalls, `${String(concurrentCalls)} at once`],
    [budgetMicroUsd, `$${Number(budgetMicroUsd) / 1e6} a ${String(budgetPeriod)}`.replace(" a total", " in all")],
  ] as const;
  return told.flatMap(([limit, words]) => (Number(limit ?? 0) > 0 ? [words] : [])).join(", ");
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
