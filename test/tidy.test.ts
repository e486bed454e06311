import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, test } from "vitest";

/** Lines of a source file at most; tables of data are exempt, by name and with a reason. */
const fileLinesMax = 300;
/** Lines of a function at most. */
const functionLinesMax = 70;

interface FolderRule {
  /** Folders under src it may import from, besides itself. */
  readonly folders: readonly string[];
  /** Packages, and `node:` modules, it may import. A name ending in `/` allows everything under it. */
  readonly packages: readonly string[];
  readonly gen: boolean;
}

/** Who may import whom (ARCHITECTURE.md). Top-level files (main, serve, doors, gateway) may import everything. */
const rules: Readonly<Record<string, FolderRule>> = {
  core: { folders: [], packages: ["@bufbuild/protobuf", "@bufbuild/protobuf/"], gen: true },
  stages: { folders: ["core"], packages: ["node:crypto", "@bufbuild/protobuf"], gen: false },
  policies: { folders: ["core"], packages: ["@bufbuild/cel", "@bufbuild/re2"], gen: false },
  dialects: { folders: ["core"], packages: ["@bufbuild/protobuf", "@bufbuild/protobuf/"], gen: false },
  providers: {
    folders: ["core", "dialects"],
    packages: [
      "undici",
      "eventsource-parser",
      "@pydantic/genai-prices",
      "@smithy/core/",
      "@smithy/signature-v4",
      "node:net",
      "node:dns",
      "node:zlib",
    ],
    gen: false,
  },
  stores: {
    folders: ["core"],
    packages: [
      "lru-cache",
      "ioredis",
      "kysely",
      "kysely/",
      "pg",
      "node:crypto",
      "node:fs",
      "node:fs/promises",
      "node:os",
      "node:path",
      "node:perf_hooks",
      "node:sqlite",
      "node:util",
      "node:v8",
      "node:vm",
      "node:worker_threads",
      "node:zlib",
      "@bufbuild/protobuf",
      "@bufbuild/protobuf/",
    ],
    gen: false,
  },
  server: {
    folders: ["core", "dialects"],
    packages: ["@connectrpc/", "@bufbuild/protobuf", "@bufbuild/protobuf/", "@bufbuild/protovalidate", "ws", "node:"],
    gen: true,
  },
  config: { folders: ["core"], packages: ["yaml", "zod", "chokidar", "@bufbuild/protobuf", "@bufbuild/protobuf/", "node:"], gen: true },
  cli: { folders: ["config", "core"], packages: ["commander", "node:"], gen: false },
  telemetry: { folders: ["core"], packages: ["pino", "pino-pretty", "prom-client", "@opentelemetry/", "node:"], gen: false },
  workers: { folders: ["core", "stores"], packages: ["node:cluster"], gen: false },
  assembly: { folders: ["core", "config", "dialects", "providers", "stores"], packages: ["node:path", "node:timers/promises"], gen: false },
};

const root = resolve(import.meta.dirname, "..");
const sources = filesUnder(join(root, "src")).map((path) => ({ path: relative(root, path), text: readFileSync(path, "utf8") }));

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return filesUnder(path);
    return entry.name.endsWith(".ts") ? [path] : [];
  });
}

function importsOf(text: string): string[] {
  return [...text.matchAll(/^(?:import|export)\b[^;]*?\bfrom\s+"([^"]+)"|^import\s+"([^"]+)"|\bimport\("([^"]+)"\)/gms)].map(
    (match) => match[1] ?? match[2] ?? match[3] ?? "",
  );
}

/** Why an import is against the rules; undefined: it is not. */
function offence(path: string, specifier: string): string | undefined {
  const [, folder = "", second = ""] = path.split("/");
  const rule = rules[folder];
  if (rule === undefined) return path.split("/").length === 2 ? undefined : `folder src/${folder} has no rule`;
  if (!specifier.startsWith(".")) {
    const allowed = rule.packages.some((name) => specifier === name || (/[/:]$/.test(name) && specifier.startsWith(name)));
    return allowed ? undefined : `may not import ${specifier}`;
  }
  const target = relative(root, resolve(root, dirname(path), specifier));
  if (target.startsWith("gen/")) {
    if (folder === "core" && path !== "src/core/chat.ts") return "core reads generated code through chat.ts only";
    return rule.gen ? undefined : `may not import ${target}`;
  }
  const [, targetFolder = "", targetSecond = ""] = target.split("/");
  if (folder === "dialects" && targetFolder === "dialects" && second !== targetSecond)
    return `one dialect may not import another: ${target}`;
  return targetFolder === folder || rule.folders.includes(targetFolder) ? undefined : `may not import ${target}`;
}

describe("the tree", () => {
  test("every folder imports only what it may", () => {
    const offences = sources.flatMap(({ path, text }) =>
      importsOf(text)
        .flatMap((specifier) => offence(path, specifier) ?? [])
        .map((what) => `${path}: ${what}`),
    );
    expect(offences).toEqual([]);
  });

  test("no file and no function is over its wall", () => {
    const long = sources.flatMap(({ path, text }) => {
      const lines = text.split("\n");
      const functions = lines.flatMap((line, at) => {
        if (!/^(?:export )?(?:async )?function\*? ?\w*/.test(line) && !/^(?:export )?async function\*/.test(line)) return [];
        const length = lines.indexOf("}", at) - at + 1;
        return length > functionLinesMax ? [`${path}:${at + 1} is a function of ${length} lines`] : [];
      });
      return lines.length > fileLinesMax ? [...functions, `${path} has ${lines.length} lines`] : functions;
    });
    expect(long).toEqual([]);
  });

  test("singletons of effect stay where they belong", () => {
    const allowed: readonly (readonly [what: RegExp, where: RegExp])[] = [
      [/\bprocess\.(?:env|argv)\b/, /^src\/(?:main|config\/)/],
      [
        /\b(?:setTimeout|setInterval|Date\.now|performance\.now)\b/,
        /^src\/(?:stores\/system-clock|server\/(?:connections|sniff|unheard)|telemetry\/|main)/,
      ],
      [/\bprocess\.stdout\b|\bconsole\./, /^src\/(?:telemetry\/|main)/],
      [/\bMath\.random\b/, /^src\/main/],
    ];
    const offences = sources.flatMap(({ path, text }) =>
      allowed.flatMap(([what, where]) => (what.test(withoutComments(text)) && !where.test(path) ? [`${path} uses ${what.source}`] : [])),
    );
    expect(offences).toEqual([]);
  });

  test("nothing loose is left behind", () => {
    const loose = /: any\b|<any>|\bas any\b/;
    const notes = /\b(?:TODO|FIXME)\b|@ts-ignore|@ts-expect-error|(?:ox|es)lint-disable/;
    expect(sources.filter(({ text }) => notes.test(text) || loose.test(withoutComments(text))).map(({ path }) => path)).toEqual([]);
  });
});

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/\/\/.*$/gm, "");
}
