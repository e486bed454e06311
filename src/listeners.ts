import { readFileSync } from "node:fs";
import type { Settings } from "./config/schema.ts";
import type { Clock } from "./core/clock.ts";
import type { Doors } from "./doors.ts";
import { listen, type Listener, type TlsFiles } from "./server/listen.ts";
import { boundsDefault } from "./server/bounds.ts";
import type { DoorSet } from "./server/routes.ts";
import { openFilesLimit } from "./stores/machine-load.ts";
import type { Log } from "./telemetry/log.ts";
import type { Listening } from "./telemetry/lines.ts";

/** What is opened, and for whom. */
export interface Opening {
  readonly settings: Settings;
  readonly doors: Doors;
  readonly clock: Clock;
  readonly log: Log;
  /** Told of each that is open. */
  readonly onOpen: (listening: Listening) => void;
  /** Grows by what is open. */
  readonly listeners: Listener[];
}

/** All or none; false: one could not be opened, and the log says why. */
export async function openListeners({ settings, doors, clock, log, onOpen, listeners }: Opening): Promise<boolean> {
  // Each call may need one more file towards an upstream.
  const connectionsMax = Math.min(boundsDefault.connections, Math.max(1, Math.floor(openFilesLimit() / 2)));
  for (const { host, port, doors: set } of listenerPlans(settings)) {
    try {
      const listener = await listen({
        host,
        port,
        tls: tlsFrom(settings),
        handler: doors.handler(set),
        // Each listener for itself: a full one does not close the others, of which one may be the operator's.
        bounds: { connections: connectionsMax },
        onFull: tellFull(log, clock, connectionsMax),
      });
      listeners.push(listener);
      const names = Object.entries(set).flatMap(([name, has]) => (has ? [name] : []));
      onOpen({ url: listener.url, doors: names });
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : "";
      const why =
        code === "EADDRINUSE" ? "the port is in use" : code === "EACCES" ? "not allowed to use this port" : `cannot listen (${code})`;
      log.error({ host, port, code }, `cannot listen on ${host}:${port}: ${why}`);
      await Promise.all(listeners.map((listener) => listener.close()));
      return false;
    }
  }
  return true;
}

/** At most one line a second, however many connections are turned away. */
function tellFull(log: Log, clock: Clock, connections: number): () => void {
  let closed = 0;
  const tell = (): void => {
    log.warn({ closed, connections }, "too many connections, new ones are closed");
    closed = 0;
  };
  return () => {
    closed += 1;
    if (closed === 1) clock.after(fullLineMs, tell);
  };
}

/** How often it is told that connections are closed. */
const fullLineMs = 1000;

interface ListenerPlan {
  readonly host: string;
  readonly port: number;
  readonly doors: DoorSet;
}

/** The main port, and those that admin and metrics were given of their own. */
function listenerPlans({ server, admin, observability: { metrics } }: Settings): ListenerPlan[] {
  const adminApart = admin.host !== undefined || admin.port !== undefined;
  const metricsApart = metrics.enabled && metrics.port !== undefined;
  const plans: ListenerPlan[] = [
    { host: server.host, port: server.port, doors: { data: true, admin: !adminApart, metrics: !metricsApart } },
  ];
  if (adminApart)
    plans.push({ host: admin.host ?? server.host, port: admin.port ?? 0, doors: { data: false, admin: true, metrics: false } });
  if (metricsApart) plans.push({ host: server.host, port: metrics.port ?? 0, doors: { data: false, admin: false, metrics: true } });
  return plans;
}

function tlsFrom({ server: { tls } }: Settings): TlsFiles | undefined {
  if (tls.cert_file === undefined || tls.key_file === undefined) return undefined;
  const clientCa = tls.client_ca_file === undefined ? undefined : readFileSync(tls.client_ca_file, "utf8");
  return { cert: readFileSync(tls.cert_file, "utf8"), key: readFileSync(tls.key_file, "utf8"), clientCa };
}
