/** The whole product in this process, without its log: for tests that need other bounds than the product's, or its records. */
import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keySpending } from "../../src/assembly/key-spending.ts";
import { simulations } from "../../src/assembly/simulations.ts";
import { loadConfiguration } from "../../src/config/load.ts";
import { Secret } from "../../src/core/secret.ts";
import type { KeyStore } from "../../src/core/keys.ts";
import type { LoadGate } from "../../src/core/overload.ts";
import type { CallRecord, RefusedRequest } from "../../src/core/telemetry.ts";
import { startSharing } from "../../src/sharing.ts";
import { createDoors, type Doors } from "../../src/doors.ts";
import { createGateway, type Gateway } from "../../src/gateway.ts";
import type { Bounds } from "../../src/server/bounds.ts";
import { listen, type Listener } from "../../src/server/listen.ts";
import { keysFrom } from "../../src/assembly/configured-keys.ts";
import { anonymousKey } from "../../src/server/auth.ts";
import { createDecisionLog } from "../../src/stores/decision-log.ts";
import { createLedgerLog } from "../../src/stores/ledger-log.ts";
import { createMemoryLedger } from "../../src/stores/memory-ledger.ts";
import { systemClock } from "../../src/stores/system-clock.ts";
import type { KeyDirectory } from "../../src/stores/key-directory.ts";
import { build } from "../config/workspace.ts";
import { createDirectory } from "../support/issued-keys.ts";

/** A running house. */
export interface House extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly gateway: Gateway;
  readonly doors: Doors;
  readonly keys: KeyDirectory;
  readonly listener: Listener;
  /** Calls that are over, in order. */
  readonly records: readonly CallRecord[];
  /** Errors that nobody foresaw. */
  readonly bugs: readonly unknown[];
  /** Requests that never became a call, in order. */
  readonly refused: readonly RefusedRequest[];
  /** Empties these lists. */
  forget(): void;
}

/** What a house may share with others, or lacks by default. */
export interface HouseParts {
  /** Sheds load; by default nothing does. */
  readonly gate?: LoadGate;
  /** Where issued keys are kept; by default in a memory of its own. */
  readonly keyStore?: KeyStore;
}

/** Opens all doors of a configuration on one listener. */
export async function openHouse(config: string, bounds: Partial<Bounds> = {}, { gate, keyStore }: HouseParts = {}): Promise<House> {
  const folder = await mkdtemp(join(tmpdir(), "semaroute-"));
  await writeFile(join(folder, "config.yaml"), config);
  const loaded = loadConfiguration({ ...build, explicitPath: undefined, environment: {}, cwd: folder });
  await rm(folder, { recursive: true });
  if (loaded.kind === "refused") throw new Error(JSON.stringify(loaded.problems));
  const { settings } = loaded;
  const records: CallRecord[] = [];
  const bugs: unknown[] = [];
  const refused: RefusedRequest[] = [];
  const observer = { began: () => {}, ended: (record: CallRecord) => void records.push(record) };
  const decisions = createDecisionLog({ clock: systemClock, replica: "house", store: undefined, keepMs: 3_600_000, onLost: () => {} });
  const ledger = createLedgerLog({
    clock: systemClock,
    store: createMemoryLedger(),
    journal: undefined,
    keepMs: 3_600_000,
    onAway: () => {},
    onBack: () => {},
    onLost: () => {},
    onFound: () => {},
  });
  const observers = [observer, decisions.observer, ledger.observer];
  const sharing = startSharing(settings, {
    clock: systemClock,
    random: Math.random,
    observer: { ran: () => {}, changed: () => {} },
    spentSince: ledger.spentSince,
  });
  const gateway = createGateway({ settings, clock: systemClock, random: Math.random, observers, gate, limits: sharing?.limits });
  const keys = createDirectory(keyStore === undefined ? {} : { store: keyStore });
  keys.onChanged(gateway.limits.changed);
  await keys.start();
  const doors = createDoors({
    settings,
    issued: keys,
    router: gateway.router,
    operations: {
      providers: gateway.providers,
      policies: gateway.policies,
      decisions,
      cache: gateway.cache,
      shared: () => sharing?.report(),
      keys,
      configuredKeys: () => keysFrom(settings),
      spending: keySpending({ clock: systemClock, standing: gateway.limits.standing, spentSince: ledger.spentSince }),
      isModel: (name) => gateway.router.model(name, anonymousKey) !== undefined,
      ledger,
      simulate: simulations({ decisions, simulator: gateway.simulator }),
      now: () => systemClock.wall(),
      version: "1",
      startWall: 0,
      stats: () => [],
      reload: () => Promise.reject(new Error("nobody reloads")),
      audit: () => {},
    },
    clock: systemClock,
    newId: randomUUID,
    random: Math.random,
    adminToken: { token: settings.admin.token ?? new Secret("admin", "config"), configured: true },
    metrics: () => Promise.resolve({ contentType: "text/plain", body: "metrics" }),
    refusals: [{ refused: (request) => refused.push(request) }],
    onBug: (bug) => bugs.push(bug),
  });
  const listener = await listen({
    host: "127.0.0.1",
    port: 0,
    tls: undefined,
    handler: doors.handler({ data: true, admin: true, metrics: true }),
    bounds,
  });
  return {
    url: listener.url,
    port: listener.port,
    gateway,
    doors,
    keys,
    listener,
    records,
    bugs,
    refused,
    forget() {
      for (const list of [records, bugs, refused]) list.length = 0;
    },
    async [Symbol.asyncDispose]() {
      await listener.close();
      await gateway.close();
      await sharing?.close();
      await decisions.close();
      keys.close();
      await ledger.close();
    },
  };
}
