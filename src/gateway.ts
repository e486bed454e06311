import { type Cache, type CacheParts, createCache } from "./assembly/cache.ts";
import { callOptionsFrom, similarChoiceFrom } from "./assembly/options.ts";
import { createMemory } from "./assembly/memory.ts";
import { modelMoment } from "./assembly/model-moment.ts";
import { findModel, listModels, type ModelMoment } from "./assembly/models.ts";
import { type Prober, startProber } from "./assembly/probes.ts";
import { startRepricing } from "./assembly/repricing.ts";
import { createSharedHealth } from "./assembly/shared-health.ts";
import { createSnapshots, type Snapshots } from "./assembly/snapshots.ts";
import { createRoster, type Roster } from "./assembly/roster.ts";
import { policyFromSettings } from "./config/policy.ts";
import type { Settings } from "./config/schema.ts";
import type { Snapshot } from "./core/call.ts";
import type { Catalog, Target } from "./core/catalog.ts";
import type { PolicyIssue, RoutingPolicy } from "./core/chat.ts";
import type { CacheDesk } from "./core/cache.ts";
import type { Clock } from "./core/clock.ts";
import type { PolicyDesk } from "./core/operations.ts";
import type { PolicyFacts } from "./core/policy-facts.ts";
import { decaysOf } from "./policies/decays.ts";
import { examinePolicy } from "./policies/examine.ts";
import { createPolicy, withDefaults } from "./policies/index.ts";
import { createSimulator, type Simulator } from "./policies/simulate.ts";
import type { CredentialChange } from "./core/health.ts";
import type { HintEvent, HintKind } from "./core/hints.ts";
import type { SpentSince } from "./core/limits.ts";
import type { News } from "./core/news.ts";
import type { LoadGate } from "./core/overload.ts";
import type { Router } from "./core/router.ts";
import { createRooms } from "./rooms.ts";
import { type CallObserver, sheltered } from "./core/telemetry.ts";
import { countTokens } from "./stages/count-tokens.ts";
import { explainCall } from "./stages/explain.ts";
import { locating } from "./stages/locate.ts";
import type { PlanSources } from "./stages/plan.ts";
import { type CallLimiter, createCallLimiter } from "./stores/call-limiter.ts";
import { createKeyLimits, type ProcessLimits } from "./stores/key-limits.ts";
import { createPolicyDesk, type FilePolicyDesk, type PolicyDeskOptions } from "./stores/policy-desk.ts";
import { createSharedPolicyDesk, type SharedPolicyOptions } from "./stores/shared-policies.ts";
import { createSlots } from "./stores/slots.ts";
import type { WindowHealth } from "./stores/window-health.ts";

/** What a gateway is made from. */
export interface GatewayOptions {
  /** Loaded and checked. */
  readonly settings: Settings;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** Told of every call: the log, the metrics, the tracer. */
  readonly observers: readonly CallObserver[];
  /** Hears of an observer that threw. Default: nobody does. Must not throw. */
  readonly onBug?: ((error: unknown) => void) | undefined;
  /** Told once when a provider's credential is refused, and once when it is taken again. Default: nobody is. Must not throw. */
  readonly onCredential?: ((change: CredentialChange) => void) | undefined;
  /** Default: no load is shed but by the number of calls. */
  readonly gate?: LoadGate | undefined;
  /** Policies that an earlier process kept, and what keeps them for a later one, or for all. Default: they end with this process. */
  readonly policyMemory?: PolicyMemory;
  /** Default: those of this process. */
  readonly limits?: ProcessLimits | undefined;
  /** What keys had spent before this process. Default: nothing. */
  readonly spentSince?: SpentSince | undefined;
  /** Whether what budgets spend can be written down now. Default: it can. */
  readonly hasBooks?: (() => boolean) | undefined;
  /** What replicas share, and who counts what came of it. Default: this process is alone. */
  readonly shared?: Pick<CacheParts, "redis" | "count"> | undefined;
  /** By which replicas tell each other what changed. Default: they find out for themselves. */
  readonly news?: News | undefined;
  /** Counts what became of what replicas tell of targets. Default: nobody does. */
  readonly onHint?: ((event: HintEvent, kind: HintKind | undefined) => void) | undefined;
}

/** Where policies outlive the process. */
export interface PolicyMemory extends Pick<PolicyDeskOptions, "kept" | "keep"> {
  /** Where other replicas have the same policies; there is no `keep` beside it. */
  readonly shared?: Pick<SharedPolicyOptions, "store" | "onShared"> | undefined;
}

/** The running router, without a protocol. */
export interface Gateway {
  readonly router: Router;
  readonly providers: Roster;
  readonly policies: PolicyDesk;
  /** Looks now for policies that other processes changed. Rejects where nobody can say. */
  renewPolicies(): Promise<void>;
  readonly cache: CacheDesk;
  /** How keys stand, whom limits have refused, and who is told of changed keys. */
  readonly limits: Pick<ProcessLimits, "standing" | "refusals" | "changed">;
  /** Replays decisions under another policy, which has been examined. */
  simulator(this: void, policy: RoutingPolicy): Simulator;
  /**
   * Takes over another configuration, all of it at once; calls in flight finish as they began. Where its policy cannot
   * stand it changes nothing, and says why.
   */
  apply(settings: Settings): readonly PolicyIssue[];
  /** Refuses new calls with DRAINING. */
  drain(): void;
  /** Calls that run. */
  running(): number;
  /** Resolves as soon as no call runs. */
  idle(): Promise<void>;
  /** Stops probes and closes idle connections. */
  close(): Promise<void>;
}

/** The map of the house: from a configuration to rooms, and from rooms to one handler. */
export function createGateway(options: GatewayOptions): Gateway {
  const { settings: initial, clock, random, observers, onBug = ignore, onCredential = ignore, onHint = ignore, gate } = options;
  let settings = initial;
  const accountOf: Roster["accountOf"] = (name) => roster.accountOf(name);
  const health = createSharedHealth(initial, { clock, random, onCredential, news: options.news, accountOf, count: onHint });
  const slots = createSlots(clock, (target, insist) => health.concurrencyLimit(target, insist));
  const limiter = createCallLimiter({ gate });
  const limits = options.limits ?? createKeyLimits({ clock, spentSince: options.spentSince });
  const roster = createRoster({ clock, health, slots });
  const use = (next: Settings): void => {
    settings = next;
    roster.apply(next);
  };
  use(initial);
  const snapshots = createSnapshots(roster, () => callOptionsFrom(settings), clock);
  const cache = cacheOf(options, (id) => snapshots.current().catalog.find(id));
  const { policies, renewPolicies, stopSharing } = openPolicies(options, {
    // A disabled provider may be named: it can be enabled later, and until then only a warning is due.
    examine: (policy) => examinePolicy(policy, policyFacts(roster, settings)),
    onActive: putInForce(snapshots, health),
  });

  const sources = { health, clock, stateOf: (provider: string) => roster.stateOf(provider), ...createMemory(clock, options.shared?.redis) };
  const { chat, shadows } = createRooms({
    observers: observers.map((observer) => sheltered(observer, onBug)),
    gates: { limiter, limits, slots },
    recalling: { cache: cache.replies, mode: () => (settings.cache.enabled ? settings.cache.mode : "off") },
    comparing: cache.similar && { answers: cache.similar, choice: () => similarChoiceFrom(settings) },
    sources,
    sparing: () => gate?.isSparing() === true,
    hasBooks: options.hasBooks ?? (() => true),
  });

  const stopRepricing = startRepricing({ clock, reprice: () => roster.reprice(), onChange: () => snapshots.renew(), onBug });
  const prober = startProbes(initial, { clock, health, roster, onBug, onListed: () => snapshots.renew() });

  return {
    router: createRouter({ chat, gate, limiter, limits, snapshots, sources, health }),
    providers: roster,
    policies,
    renewPolicies,
    cache,
    limits,
    simulator: (policy) => simulatorOf(policy, snapshots.current()),
    apply(next) {
      const before = settings;
      use(next);
      const verdict = policies.install(policyFromSettings(next.routing_policy), "configuration", "the configuration file changed");
      const refused = verdict?.kind === "invalid";
      if (refused) use(before);
      snapshots.renew();
      return refused ? verdict.issues : [];
    },
    drain() {
      limiter.drain();
      shadows.stop();
    },
    running: () => limiter.running(),
    idle: () => limiter.idle(),
    async close() {
      stopSharing();
      prober?.stop();
      shadows.stop();
      cache.close();
      stopRepricing();
      health.close();
      await roster.close();
    },
  };
}

function cacheOf({ settings, clock, random, shared }: GatewayOptions, targetOf: CacheParts["targetOf"]): Cache {
  return createCache(settings, { clock, random, redis: undefined, count: ignore, ...shared, targetOf });
}

interface Policies extends Pick<Gateway, "renewPolicies"> {
  readonly policies: PolicyDesk & Pick<FilePolicyDesk, "install">;
  stopSharing(this: void): void;
}

/** This process's policies, or, where others have them, too, all of theirs. */
function openPolicies(
  { settings, clock, random, news, policyMemory: { shared, ...memory } = {} }: GatewayOptions,
  parts: Pick<PolicyDeskOptions, "examine" | "onActive">,
): Policies {
  const initial = policyFromSettings(settings.routing_policy);
  const desk = createPolicyDesk({ clock, initial, author: "configuration", withDefaults, createPolicy, ...parts, ...memory });
  if (shared === undefined) return { policies: desk, renewPolicies: () => Promise.resolve(), stopSharing: ignore };
  const policies = createSharedPolicyDesk({ ...shared, desk, clock, random, news, kept: memory.kept });
  return { policies, renewPolicies: () => policies.renew(), stopSharing: () => policies.close() };
}

function simulatorOf(policy: RoutingPolicy, { catalog }: Snapshot): Simulator {
  const targets = new Map<string, Target>(catalog.targets.map((target) => [target.id, target]));
  return createSimulator(createPolicy(withDefaults(policy)), (id) => targets.get(id));
}

interface RouterParts {
  readonly chat: Router["chat"];
  readonly gate: LoadGate | undefined;
  readonly limiter: CallLimiter;
  readonly limits: ProcessLimits;
  readonly snapshots: Snapshots;
  readonly sources: PlanSources;
  readonly health: WindowHealth;
}

function createRouter({ chat, gate, limiter, limits, snapshots, sources, health }: RouterParts): Router {
  const moment = (): ModelMoment => modelMoment({ ...sources, snapshot: snapshots.current(), createdWall: snapshots.madeWall(), health });
  return {
    chat,
    refusal: (key) => gate?.earlyRefusal(key.priority, limiter.running()),
    exhausted: limits.exhausted,
    allowances: limits.allowances,
    snapshot: snapshots.current,
    async explain(call, policy) {
      await locating(call, sources.affinity);
      const rank = policy === undefined ? undefined : createPolicy(withDefaults(policy), "policy");
      return explainCall(call, sources, (provider) => health.report(provider), rank);
    },
    countTokens: (call) => countTokens(call, sources),
    models: (key) => listModels(snapshots.current().catalog, key, moment()),
    model: (id, key) => findModel(snapshots.current().catalog, id, key, moment()),
  };
}

function ignore(): void {
  // The gateway has no log of its own.
}

interface ProbeParts {
  readonly clock: Clock;
  readonly health: WindowHealth;
  readonly roster: Roster;
  readonly onBug: (error: unknown) => void;
  /** A host lists other models than before. */
  readonly onListed: () => void;
}

function startProbes(
  { health: { probe, interval, timeout } }: Settings,
  { clock, health, roster, onBug, onListed }: ProbeParts,
): Prober | undefined {
  if (probe === "none") return undefined;
  return startProber({
    clock,
    intervalMs: interval,
    timeoutMs: timeout,
    onBug,
    providers: () => [...roster.providers().values()],
    onResult(provider, error, models) {
      health.probed(provider, error);
      if (models !== undefined && roster.listed(provider, models)) onListed();
    },
  });
}

/** With the means that both policies go by, before the first call does; no others, for each is kept for every target. */
function putInForce(snapshots: Snapshots, health: WindowHealth): PolicyDeskOptions["onActive"] {
  return (policy, canary, messages) => {
    snapshots.renew({ policy, canary });
    health.keepMeans([...new Set(messages.flatMap(decaysOf))]);
  };
}

/** Whether some provider's models are not known (yet): it lists them itself. */
function hasUnlisted(roster: Roster, { targets }: Catalog): boolean {
  return roster.list().some(({ id }) => targets.every(({ provider }) => provider !== id));
}

/** What a policy is examined against. */
function policyFacts(roster: Roster, settings: Settings): PolicyFacts {
  const catalog = roster.catalog();
  const together = (primary: string, backup: string): boolean => {
    const groups = [
      ...Map.groupBy(catalog.targets, ({ model }) => model).values(),
      ...[...catalog.aliases.values()].map(({ targets }) => targets),
    ];
    return groups.some((targets) => [primary, backup].every((name) => targets.some(({ provider }) => provider === name)));
  };
  return {
    providers: Object.keys(settings.providers),
    isEnabled: (name) => settings.providers[name]?.enabled === true,
    unpricedTargets: catalog.targets.filter(({ price, kind }) => price === undefined && kind === "chat").map(({ id }) => id),
    servesTogether: together,
    models: hasUnlisted(roster, catalog) ? undefined : [...catalog.aliases.keys(), ...new Set(catalog.targets.map(({ model }) => model))],
  };
}
