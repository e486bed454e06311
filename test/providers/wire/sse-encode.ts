/** One server-sent event as it stands on the wire: a line of data for each line of the text. */
export function sseEvent(data: string, name: string | undefined): string {
  const lines = data.split("\n").map((line) => `data: ${line}\n`);
  return `${name === undefined ? "" : `event: ${name}\n`}${lines.join("")}\n`;
}
