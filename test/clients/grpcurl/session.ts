/** The shell sessions of our pages: what is typed there, what is shown below it, and which RPCs that calls. */

/** A command, as a page shows it behind `$ `. */
export interface SessionCommand {
  /** Of the page; counts from 1. */
  readonly line: number;
  /** As a shell takes it; may be several lines. */
  readonly text: string;
  /** What the page shows for it, trimmed: a `…` stands for anything, alone on a line for any lines. */
  readonly shown: readonly string[];
}

/** A call that a command makes by grpcurl. Variables of the shell stand in it as they are written. */
export interface GrpcurlCall {
  readonly service: string;
  readonly method: string;
  /** JSON; undefined: the empty request. */
  readonly data: string | undefined;
}

/** All commands within the page's blocks of kind `console`, in order. */
export function commandsOf(page: string): SessionCommand[] {
  const commands: { line: number; text: string; shown: string[] }[] = [];
  let inside = false;
  for (const [index, line] of page.split("\n").entries()) {
    const last = commands.at(-1);
    if (line.startsWith("```")) inside = line === "```console";
    else if (inside && line.startsWith("$ ")) commands.push({ line: index + 1, text: line.slice(2), shown: [] });
    else if (inside && last !== undefined && last.shown.length === 0 && isOpen(last.text)) last.text += `\n${line}`;
    else if (inside && last !== undefined && line !== "") last.shown.push(line);
  }
  return commands;
}

/** A backslash at the end, or a quote that is not closed. */
function isOpen(text: string): boolean {
  return text.endsWith("\\") || text.replaceAll(/\\[^]|"(?:\\[^]|[^"\\])*"|'[^']*'/g, "").includes("'");
}

/** Undefined: the command calls no method by grpcurl; it may list or describe some. */
export function grpcurlCall({ text }: SessionCommand): GrpcurlCall | undefined {
  const words = wordsOf(text);
  const begin = words.findIndex((word) => /(?:^|\()grpcurl$/.test(word));
  const called = words.slice(begin).find((word) => /^[\w.]+\/\w+$/.test(word));
  if (begin < 0 || called === undefined) return undefined;
  const slash = called.indexOf("/");
  const option = words.indexOf("-d", begin);
  return { service: called.slice(0, slash), method: called.slice(slash + 1), data: option < 0 ? undefined : words[option + 1] };
}

/** Split and unquoted as by a shell that knows no variables. */
function wordsOf(text: string): string[] {
  return [...text.matchAll(/(?:'[^']*'|"(?:\\[^]|[^"\\])*"|\\[^\n]|[^\s'"\\])+/g)].map(([word]) =>
    word.replaceAll(/'([^']*)'|"((?:\\[^]|[^"\\])*)"|\\(.)/g, (_, single?: string, double?: string, escaped?: string) =>
      escaped === undefined ? (single ?? double?.replaceAll(/\\(["\\$`])/g, "$1") ?? "") : escaped,
    ),
  );
}

/** The code that the page shows for the command, as grpcurl writes it (`NotFound`); undefined: it goes well. */
export function shownCode({ shown }: SessionCommand): string | undefined {
  return shown.map((line) => /^ {2}Code: (\w+)$/.exec(line)?.[1]).find((code) => code !== undefined);
}
/** Lines that the page shows and the output has not, numbers and times aside. */
export function missingLines({ shown }: SessionCommand, output: string): string[] {
  const lines = output.split("\n").map(steady);
  return shown.filter((line) => {
    const parts = steady(line).split("…");
    const pattern = new RegExp(`^${parts.map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)).join(".*")}$`);
    return !lines.some((each) => pattern.test(each));
  });
}

/** What two runs have in common: no digits, and no comma, which tells only that something comes behind. */
function steady(line: string): string {
  return line
    .replace(/,\s*$/, "")
    .replaceAll(/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, "ID")
    .replaceAll(/[-\d.:]*\d/g, "0");
}
