import { startRepricing } from "../../src/assembly/repricing.ts";
import { priceVersionOf } from "../../src/assembly/model-price.ts";
import { breakerOptionsFrom, callOptionsFrom } from "../../src/assembly/options.ts";
import { createSnapshots } from "../../src/assembly/snapshots.ts";
import { settingsSchema } from "../../src/config/schema.ts";
import type { Attempt, Call, Snapshot } from "../../src/core/call.ts";
import { type Catalog, createCatalog, type Target } from "../../src/core/catalog.ts";
import { ProviderState } from "../../src/core/chat.ts";
import type { Clock } from "../../src/core/clock.ts";
import { type AttemptStream, type ChatStream, compose, type Handler } from "../../src/core/handler.ts";
import { microUsdPerMillion } from "../../src/core/price.ts";
import type { Provider } from "../../src/core/provider.ts";
import type { CallObserver } from "../../src/core/telemetry.ts";
import { admit } from "../../src/stages/admit.ts";
import { callProvider } from "../../src/stages/call-provider.ts";
import { dispatch } from "../../src/stages/dispatch.ts";
import { guard } from "../../src/stages/guard.ts";
import { meter } from "../../src/stages/meter.ts";
import { refusal } from "../../src/stages/refusal.ts";
import { createAffinity } from "../../src/stores/affinity.ts";
import { createCallLimiter } from "../../src/stores/call-limiter.ts";
import { createKeyLimits } from "../../src/stores/key-limits.ts";
import { createHedgeBudget } from "../../src/stores/hedge-budget.ts";
import { createOutputForecasts } from "../../src/stores/output-forecasts.ts";
import { createRetryBudget } from "../../src/stores/retry-budget.ts";
import { createSlots } from "../../src/stores/slots.ts";
import { createWindowHealth, type WindowHealth } from "../../src/stores/window-health.ts";
import type { Ranker } from "./contestants.ts";
import type { Fleet, VirtualTarget } from "./fleet.ts";
import { type Scene, troubleAt } from "./scenes.ts";

/** What a house is made of. */
export interface HouseParts {
  readonly clock: Clock;
  readonly random: () => number;
  readonly fleet: Fleet;
  readonly scene: Scene;
  readonly providers: ReadonlyMap<string, Provider>;
  readonly ranker: Ranker;
  readonly observer: CallObserver;
}

/** The router, from the meter inwards. */
export interface House {
  readonly chat: Handler<Call>;
  readonly snapshot: () => Snapshot;
  close(this: void): void;
}

/**
 * The rooms and stores of `src/gateway.ts`, put together as there with the settings of an empty configuration. Left out are the cache,
 * since no two calls are alike, and probes, by which no policy goes.
 */
export function createHouse({ clock, random, fleet, scene, providers, ranker, observer }: HouseParts): House {
  const settings = settingsSchema.parse({});
  const health = createWindowHealth({ clock, random, breaker: breakerOptionsFrom(settings) });
  const slots = createSlots(clock, (target, insist) => health.concurrencyLimit(target, insist));
  declareAll(fleet, health, slots.declare.bind(slots));
  health.keepMeans(ranker.decaysMs);

  const list = (): Catalog => catalogOf(fleet, (provider) => (provider === fleet.providers[0] ? troubleAt(scene, clock.now()).dearer : 1));
  let catalog = list();
  const snapshots = createSnapshots({ catalog: () => catalog, providers: () => providers }, () => callOptionsFrom(settings), clock);
  snapshots.renew({ policy: { revision: "", name: "", rank: ranker.rank }, canary: undefined });
  const stopRepricing = startRepricing({
    clock,
    reprice() {
      const repriced = list();
      const isChanged = priceVersionOf(repriced) !== priceVersionOf(catalog);
      catalog = repriced;
      return isChanged;
    },
    onChange: () => snapshots.renew(),
    onBug(bug) {
      throw bug;
    },
  });

  const sources = {
    health,
    clock,
    stateOf: () => ProviderState.ENABLED,
    retries: createRetryBudget(clock),
    hedges: createHedgeBudget(),
    affinity: createAffinity(clock),
    forecasts: createOutputForecasts(clock),
  };
  const attempt = compose<Attempt, AttemptStream>([guard(health, slots, clock), refusal], callProvider(clock));
  const chat = compose<Call, ChatStream>(
    [meter([observer], clock), admit(createCallLimiter(), createKeyLimits({ clock }))],
    dispatch(sources, attempt),
  );
  return {
    chat,
    snapshot: snapshots.current,
    close() {
      stopRepricing();
      health.close();
    },
  };
}

/** `max_concurrent` of each provider is what its targets can take together: the operator knows its contract. */
function declareAll(fleet: Fleet, health: WindowHealth, declareSlots: (provider: string, max: number) => void): void {
  const byProvider = Map.groupBy(fleet.targets, ({ provider }) => provider);
  const declared = [...byProvider].map(([name, targets]) => ({
    name,
    targets: targets.map(({ id }) => id),
    concurrencyMax: targets.reduce((sum, { capacity }) => sum + capacity, 0),
  }));
  health.declare(declared);
  for (const { name, concurrencyMax } of declared) declareSlots(name, concurrencyMax);
}

/** What the vendors' lists say; `dearer` is by how much, of a provider. */
function catalogOf(fleet: Fleet, dearer: (provider: string) => number | undefined): Catalog {
  const byProvider = Map.groupBy(fleet.targets, ({ provider }) => provider);
  const providers = [...byProvider].map(([name, targets]) => ({
    name,
    targets: targets.map((target) => targetFrom(target, dearer(name) ?? 1)),
    other: (model: string): Target => {
      throw new Error(`${name} does not offer ${model}`);
    },
  }));
  return createCatalog({ providers, aliases: new Map() });
}

function targetFrom({ id, provider, model, inputPrice, outputPrice }: VirtualTarget, dearer: number): Target {
  return {
    id,
    provider,
    model,
    upstreamModel: model,
    kind: "chat",
    issuer: provider,
    capabilities: { $typeName: "semaroute.v1.ModelCapabilities" },
    price: {
      input: microUsdPerMillion(inputPrice * dearer),
      output: microUsdPerMillion(outputPrice * dearer),
      cacheRead: undefined,
      cacheWrite: undefined,
    },
    timeoutMs: undefined,
  };
}
