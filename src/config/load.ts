import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";

import { Secret } from "../core/secret.ts";
import type { ExaminePolicy } from "../core/policy-facts.ts";
import { checkSettings } from "./checks.ts";
import { applyOverrides, type Environment } from "./environment.ts";
import { interpolate, variablesOf } from "./interpolate.ts";
import { parseSettings } from "./parse.ts";
import type { Problem } from "./problem.ts";
import { addProviders, completeProviders, dropUnset } from "./providers.ts";
import { createReport, type Report } from "./report.ts";
import type { Settings } from "./schema.ts";
import { readSecretFiles, reasonOf } from "./secret-files.ts";
import { type MapNode, nodeAt, setLeaf } from "./tree.ts";
import { treeFromYaml } from "./yaml.ts";

/** Where a configuration comes from. */
export interface LoadInput {
  /** `--config`. */
  readonly explicitPath: string | undefined;
  /** The process's variables. */
  readonly environment: Environment;
  /** The working folder. */
  readonly cwd: string;
  /** Provider types this build has. */
  readonly providerTypes: readonly string[];
  /** Finds what is wrong with a policy. */
  readonly examinePolicy: ExaminePolicy;
  /** Whether the price of a type's model is known. Default: all prices are. */
  readonly isPriced?: (type: string, model: string) => boolean;
  /** What a type's model is for, by its name; undefined: the name does not say. Default: no name does. */
  readonly kindOf?: (type: string, model: string) => "chat" | "embedding" | undefined;
  /** The file as somebody else has read it, who is to be followed. Default: it is looked for and read. */
  readonly found?: { readonly path: string | undefined; readonly text: string } | undefined;
  /** Names a type offers where `models` is not set; undefined or empty: what the host lists. Default: only simulated is known. */
  readonly modelsOf?: (type: string) => readonly string[] | undefined;
}

/** A configuration to run by. */
export interface Loaded {
  readonly kind: "loaded";
  readonly settings: Settings;
  /** Absolute; undefined: there is no file. */
  readonly path: string | undefined;
  /** The file's own, in which secrets may be written; empty: there is no file, or nothing in it. */
  readonly text: Secret;
  /** Hash of it. */
  readonly revision: string;
  readonly warnings: readonly Problem[];
  /** Only simulated providers are enabled. */
  readonly simulated: boolean;
}

/** Why there is none: every problem, in the file's order. */
export interface Refused {
  readonly kind: "refused";
  readonly problems: readonly Problem[];
}

/** Finds, reads and checks the configuration: `--config`, else SEMAROUTE_CONFIG, else `config.yaml` in `cwd`, else the environment. */
export function loadConfiguration(input: LoadInput): Loaded | Refused {
  const found = findFile(input);
  if (found.kind === "refused") return found;
  const { name, path, text } = found;
  const report = createReport(name);
  const tree = treeFromYaml(text, report);
  if (tree === undefined) return { kind: "refused", problems: report.errors() };
  report.lookIn(tree);
  const folder = path === undefined ? input.cwd : dirname(path);
  const providersByEnvironment = completeTree(tree, folder, { ...input, report });
  report.nextStage();
  const settings = parseSettings(tree, report);
  report.nextStage();
  if (settings !== undefined) checkSettings(settings, { modelsOf: modelsOfSimulated, ...input, tree, providersByEnvironment }, report);
  const problems = report.errors();
  if (settings === undefined || problems.length > 0) return { kind: "refused", problems };
  const enabled = Object.values(settings.providers).filter((provider) => provider.enabled);
  return {
    kind: "loaded",
    settings,
    path,
    text: new Secret(text, path ?? "no file"),
    revision: revisionOf(text),
    warnings: report.warnings(),
    simulated: enabled.length > 0 && enabled.every((provider) => provider.type === "simulated"),
  };
}

/** Hash by which a file's text is known. */
export function revisionOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

interface Found {
  readonly kind: "found";
  /** As the operator named it. */
  readonly name: string | undefined;
  readonly path: string | undefined;
  readonly text: string;
}

function findFile({ explicitPath, environment, cwd, found }: LoadInput): Found | Refused {
  const variable = environment["SEMAROUTE_CONFIG"];
  const asked = explicitPath ?? (variable === "" ? undefined : variable);
  const name = asked ?? "config.yaml";
  if (found !== undefined) return { kind: "found", name: found.path === undefined ? undefined : name, ...found };
  const path = resolve(cwd, name);
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(path));
    return { kind: "found", name, path, text };
  } catch (error) {
    if (error instanceof TypeError) return { kind: "refused", problems: [{ path: "", file: name, message: "is not UTF-8 text" }] };
    const reason = reasonOf(error);
    if (asked === undefined && reason === "no such file") return { kind: "found", name: undefined, path: undefined, text: "" };
    return { kind: "refused", problems: [{ path: "", file: name, message: `cannot be read: ${reason}` }] };
  }
}

/** Brings in everything that is not in the file's text itself. True: the environment chose the providers. */
function completeTree(
  tree: MapNode,
  folder: string,
  { environment, providerTypes, report }: LoadInput & { readonly report: Report },
): boolean {
  dropUnset(tree, report);
  const mentioned = variablesOf(tree);
  const byEnvironment = addProviders(tree, environment, providerTypes, report);
  applyOverrides(tree, environment, mentioned, report);
  interpolate(tree, environment, report);
  completeProviders(tree, environment, report);
  readSecretFiles(tree, folder, report);
  for (const name of ["cert_file", "key_file", "client_ca_file"]) {
    const path = ["server", "tls", name];
    const leaf = nodeAt(tree, path);
    if (leaf?.kind === "leaf" && leaf.text !== "") setLeaf(tree, path, { ...leaf, text: resolve(folder, leaf.text) });
  }
  return byEnvironment;
}

function modelsOfSimulated(type: string): readonly string[] | undefined {
  return type === "simulated" ? ["sim-chat", "sim-embed"] : undefined;
}
