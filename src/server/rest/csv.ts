/** What spreadsheets take for a formula; names in a table are chosen by callers and upstreams. */
const formula = /^[=+\-@\t\r]/;
const special = /[",\r\n]/;

/** A record of RFC 4180, with its line end. A text that begins like a formula gets an apostrophe before it. */
export function csvLine(fields: readonly (string | number | bigint | boolean)[]): string {
  return `${fields.map(fieldFrom).join(",")}\r\n`;
}

function fieldFrom(value: string | number | bigint | boolean): string {
  if (typeof value !== "string") return String(value);
  const harmless = formula.test(value) ? `'${value}` : value;
  return special.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
