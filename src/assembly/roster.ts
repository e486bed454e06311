import type { Settings } from "../config/schema.ts";
import { type Catalog, type CatalogProvider, createCatalog } from "../core/catalog.ts";
import { ProviderState } from "../core/chat.ts";
import type { Clock } from "../core/clock.ts";
import type { ProviderDesk, ProviderView } from "../core/operations.ts";
import type { Provider } from "../core/provider.ts";
import type { Account } from "../stores/hint-desk.ts";
import type { ProviderSlots } from "../stores/slots.ts";
import type { WindowHealth } from "../stores/window-health.ts";
import { priceVersionOf } from "./model-price.ts";
import { accountOf, catalogPart, fingerprintOf, type RunningProvider, startProvider } from "./providers.ts";

/** The providers of the running configuration, and what is known and decided about them at run time. */
export interface Roster extends ProviderDesk {
  /** Starts what is new, keeps what is the same, and lets the rest finish. */
  apply(settings: Settings): void;
  set(id: string, state: ProviderState, resetBreaker: boolean): boolean;
  /** What a host said it lists; true where that changed the catalogue. */
  listed(provider: string, models: readonly string[]): boolean;
  /** Looks all prices up again, of which some change with the hour; true where that changed the catalogue. */
  reprice(): boolean;
  catalog(): Catalog;
  providers(): ReadonlyMap<string, Provider>;
  stateOf(provider: string): ProviderState;
  /** Undefined: there is no such provider. */
  accountOf(provider: string): Account | undefined;
  close(): Promise<void>;
}

/** What it needs. */
export interface RosterParts {
  readonly clock: Clock;
  readonly health: WindowHealth;
  readonly slots: ProviderSlots;
}

/** Empty until a configuration is applied. */
export function createRoster({ clock, health, slots }: RosterParts): Roster {
  let running = new Map<string, RunningProvider>();
  let aliases = new Map<string, readonly string[]>();
  let catalog = createCatalog({ providers: [], aliases });
  const listings = new Map<string, readonly string[]>();
  const states = new Map<string, ProviderState>();

  const partsNow = (): CatalogProvider[] => partsOf(running, listings, new Date(clock.wall()));
  const rebuild = (): void => {
    const parts = partsNow();
    catalog = createCatalog({ providers: parts, aliases });
    health.declare(parts.map((part) => membersOf(part, running)));
    for (const [name, { settings }] of running) slots.declare(name, settings.max_concurrent);
  };
  const stateOf = (provider: string): ProviderState => states.get(provider) ?? ProviderState.ENABLED;
  const view = (id: string, { facts }: RunningProvider): ProviderView => ({
    ...facts,
    id,
    state: stateOf(id),
    models: catalog.targets.filter(({ provider }) => provider === id).map(({ model }) => model),
  });

  return {
    apply(settings) {
      const before = running;
      running = runningFrom(settings, before, clock);
      aliases = new Map(Object.entries(settings.models).map(([name, { targets }]) => [name, targets]));
      rebuild();
      for (const [name, gone] of before) {
        if (running.get(name) === gone) continue;
        if (!running.has(name)) listings.delete(name);
        else health.renewed(name);
        // Calls in flight finish as they began: closing waits for them, and nobody waits for the closing.
        void gone.close().catch(() => undefined);
      }
    },
    listed(name, models) {
      const known = running.get(name);
      if (known?.listsModels !== true || listings.get(name)?.join("\n") === models.join("\n")) return false;
      listings.set(name, models);
      rebuild();
      return true;
    },
    reprice() {
      const repriced = createCatalog({ providers: partsNow(), aliases });
      if (priceVersionOf(repriced) === priceVersionOf(catalog)) return false;
      catalog = repriced;
      return true;
    },
    catalog: () => catalog,
    providers: () => new Map([...running].map(([name, { provider }]) => [name, provider])),
    stateOf,
    accountOf: (name) => accountIn(running, name),
    list: () => [...running].map(([id, each]) => view(id, each)),
    find(id) {
      const found = running.get(id);
      return found === undefined ? undefined : view(id, found);
    },
    health: (id) => health.report(id),
    watch: (listener) => health.watch(listener),
    set(id, state, resetBreaker) {
      if (!running.has(id)) return false;
      if (state !== ProviderState.UNSPECIFIED) states.set(id, state);
      if (resetBreaker) health.reset(id);
      return true;
    },
    close: async () => void (await Promise.allSettled([...running.values()].map((each) => each.close()))),
  };
}

type Running = ReadonlyMap<string, RunningProvider>;

function accountIn(running: Running, name: string): Account | undefined {
  const found = running.get(name);
  return found && accountOf(found);
}

function partsOf(running: Running, listings: ReadonlyMap<string, readonly string[]>, at: Date): CatalogProvider[] {
  return [...running].map(([name, each]) => catalogPart(name, each, { listed: listings.get(name), at }));
}

function membersOf({ name, targets }: CatalogProvider, running: Running): Parameters<WindowHealth["declare"]>[0][number] {
  return { name, targets: targets.map(({ id }) => id), concurrencyMax: running.get(name)?.settings.max_concurrent ?? 0 };
}

/** Keeps what is the same, with its connections; starts what is new or other. */
function runningFrom(settings: Settings, before: ReadonlyMap<string, RunningProvider>, clock: Clock): Map<string, RunningProvider> {
  const { timeouts } = settings.resilience;
  const running = new Map<string, RunningProvider>();
  for (const [name, each] of Object.entries(settings.providers)) {
    if (!each.enabled) continue;
    const known = before.get(name);
    const same = known?.fingerprint === fingerprintOf(each, timeouts) ? known : undefined;
    running.set(name, same ?? startProvider(name, each, timeouts, clock));
  }
  return running;
}
