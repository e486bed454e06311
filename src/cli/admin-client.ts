import { readFileSync } from "node:fs";
import { join } from "node:path";
import { dataFolder } from "../config/data-folder.ts";
import type { Environment } from "../config/environment.ts";
import type { Loaded } from "../config/load.ts";

/** A server's control plane, as the command line reaches it. */
export interface AdminClient {
  /** For messages. */
  readonly url: string;
  /** Rejects with an `AdminRefusal`. */
  ask(verb: "GET" | "POST" | "PUT" | "PATCH" | "DELETE", path: string, body?: unknown): Promise<Readonly<Record<string, unknown>>>;
}

/** The server said no, or nothing at all. */
export class AdminRefusal extends Error {
  override readonly name = "AdminRefusal";
  /** Connect's word; `unreachable` where nobody answered. */
  readonly code: string;

  constructor(code: string, text: string) {
    super(text);
    this.code = code;
  }
}

/** How long a server may take to answer; a simulation is the longest. */
const answerMs = 60_000;

/** The server that the configuration describes, or the one at `url`; with the token the configuration has, or the one that was minted. */
export function adminClient(
  loaded: Loaded,
  {
    url,
    environment,
    author,
  }: { readonly url: string | undefined; readonly environment: Environment; readonly author: string | undefined },
): AdminClient {
  const base = (url ?? configuredUrl(loaded)).replace(/\/+$/, "");
  const token = loaded.settings.admin.token?.reveal() ?? mintedToken(dataFolder(loaded.path, environment));
  const headers = {
    "content-type": "application/json",
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...(author !== undefined && { "x-semaroute-author": author }),
  };
  return {
    url: base,
    async ask(verb, path, body) {
      let response: Response;
      try {
        const signal = AbortSignal.timeout(answerMs);
        response = await fetch(`${base}${path}`, {
          method: verb,
          headers,
          signal,
          ...(verb !== "GET" && { body: JSON.stringify(body ?? {}) }),
        });
      } catch (thrown) {
        const cause: unknown = thrown instanceof Error ? thrown.cause : undefined;
        const why = cause instanceof Error && "code" in cause ? ` (${String(cause.code)})` : "";
        throw new AdminRefusal("unreachable", `no server answers at ${base}${why}; is it running, and is --url right?`);
      }
      const answer: unknown = await response.json().catch(() => undefined);
      const fields: Readonly<Record<string, unknown>> = typeof answer === "object" && answer !== null ? { ...answer } : {};
      if (response.ok && answer !== undefined) return fields;
      const code = typeof fields["code"] === "string" ? fields["code"] : `status ${response.status}`;
      const message = typeof fields["message"] === "string" ? fields["message"] : "the answer is not one of semaroute's";
      const hint = code === "unauthenticated" ? `; set SEMAROUTE_ADMIN_TOKEN, or name the server's configuration by --config` : "";
      throw new AdminRefusal(code, `${message}${hint}`);
    },
  };
}

function configuredUrl({ settings: { server, admin } }: Loaded): string {
  const host = admin.host ?? server.host;
  const port = admin.port ?? server.port;
  const reached = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  const scheme = server.tls.cert_file === undefined ? "http" : "https";
  return `${scheme}://${reached.includes(":") && !reached.startsWith("[") ? `[${reached}]` : reached}:${port}`;
}

/** Undefined: there is none, or it is not ours to read; some methods need none on this machine. */
function mintedToken(folder: string): string | undefined {
  try {
    return readFileSync(join(folder, "admin-token"), "utf8").trim();
  } catch {
    return undefined;
  }
}
