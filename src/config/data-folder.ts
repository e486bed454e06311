import { randomBytes } from "node:crypto";
import { chmodSync, lstatSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";

import { Secret } from "../core/secret.ts";
import type { Environment } from "./environment.ts";
import type { Problem } from "./problem.ts";
import { reasonOf } from "./secret-files.ts";

/** Where what lasts is kept: `data` beside the configuration file; without a file, the user's folder for state. */
export function dataFolder(configurationPath: string | undefined, environment: Environment): string {
  if (configurationPath !== undefined) return join(dirname(configurationPath), "data");
  const state = environment["XDG_STATE_HOME"] ?? "";
  // The XDG rules: a relative path counts as none.
  if (isAbsolute(state)) return join(state, "semaroute");
  const home = environment["HOME"] ?? "";
  return join(home === "" ? homedir() : home, ".local", "state", "semaroute");
}

/** The token every admin call needs. */
export type AdminToken =
  | { readonly kind: "configured"; readonly token: Secret }
  /** Ours, in a file only its owner can read. */
  | { readonly kind: "minted"; readonly token: Secret; readonly path: string }
  | { readonly kind: "refused"; readonly problem: Problem };

/** The configured token, else the one kept in `folder`, else a fresh one that is kept there from now on. */
export function adminToken(configured: Secret | undefined, folder: string): AdminToken {
  if (configured !== undefined) return { kind: "configured", token: configured };
  const path = join(folder, "admin-token");
  try {
    const token = keptToken(path) ?? keep(path, folder);
    return { kind: "minted", token: new Secret(token, `file:${path}`), path };
  } catch (error) {
    const message = `not set, and none can be kept in ${path}: ${reasonOf(error)}; set admin.token, or make the folder writable`;
    return { kind: "refused", problem: { path: "admin.token", message } };
  }
}

/** The token of an earlier start. Undefined: there is none, or others could have read or written it. */
function keptToken(path: string): string | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined || !stat.isFile() || (stat.mode & 0o077) !== 0) return undefined;
  const text = readFileSync(path, "utf8").trim();
  return /^[A-Za-z0-9_-]{43}$/.test(text) ? text : undefined;
}

function keep(path: string, folder: string): string {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const token = randomBytes(32).toString("base64url");
  const draft = `${path}.${process.pid}`;
  rmSync(draft, { force: true });
  try {
    // A rename, so that nobody ever reads half a token.
    writeFileSync(draft, `${token}\n`, { mode: 0o600, flag: "wx" });
    chmodSync(draft, 0o600);
    renameSync(draft, path);
  } finally {
    rmSync(draft, { force: true });
  }
  return token;
}
