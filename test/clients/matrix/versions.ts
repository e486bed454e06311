/** Clients by name and version, as package.json and requirements.txt pin them. */
import { readFileSync } from "node:fs";
import type { CellResult } from "./cells.ts";
import type { ShownClient } from "./page.ts";

const root = new URL("../../../", import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), "utf8");

/** Cells of npm's packages, and of Python's, one section a client. */
export function shown(npm: readonly CellResult[], python: readonly CellResult[]): readonly ShownClient[] {
  const { devDependencies }: { devDependencies: Readonly<Record<string, string>> } = JSON.parse(read("package.json"));
  const pins = new Map(
    read("test/clients/python/requirements.txt")
      .split("\n")
      .flatMap((line) => {
        const [name = "", version] = line.split("==");
        return version === undefined ? [] : [[name, version] as const];
      }),
  );
  return [
    ...sections(npm, (client) => npmTitle(client, devDependencies)),
    ...sections(python, (client) => `${client} ${pins.get(client) ?? ""} (Python)`),
  ];
}

function npmTitle(client: string, versions: Readonly<Record<string, string>>): string {
  const version = versions[client] ?? "";
  // An alias names its package with the version.
  if (version.startsWith("npm:")) return version.slice("npm:".length).replace(/@(?=[^@]*$)/, " ");
  const host = client.startsWith("@ai-sdk/") ? ` (ai ${versions["ai"]})` : "";
  return `${client} ${version}${host}`;
}

function sections(cells: readonly CellResult[], titleOf: (client: string) => string): readonly ShownClient[] {
  const clients = [...new Set(cells.map(({ client }) => client))];
  return clients.map((client) => ({ title: titleOf(client), cells: cells.filter((cell) => cell.client === client) }));
}
