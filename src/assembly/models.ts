import type { Key } from "../core/call.ts";
import type { Catalog, Target } from "../core/catalog.ts";
import type { Model, ModelCapabilities } from "../core/chat.ts";
import { timestampFromMs } from "../core/clock.ts";
import { isSamePrice, modelPrice } from "./model-price.ts";

/** What a list of models tells of the moment. */
export interface ModelMoment {
  /** When the catalogue was made; milliseconds since the epoch. */
  readonly createdWall: number;
  /** Whether a target can be called now. */
  canServe(this: void, target: Target): boolean;
  /** The targets of a name as the policy would try them for an ordinary call. */
  inOrder(this: void, name: string, targets: readonly Target[]): readonly Target[];
}

/** Aliases first, then bare model ids by name: what the key may ask for, as the API shows it. */
export function listModels(catalog: Catalog, key: Key, moment: ModelMoment): Model[] {
  const models: Model[] = [];
  for (const { name, targets } of catalog.aliases.values()) {
    if (!catalog.mayAsk(name, key)) continue;
    models.push(describeAlias(name, targets, moment));
  }
  const byName = Map.groupBy(catalog.targets, ({ model }) => model);
  for (const name of [...byName.keys()].toSorted()) {
    if (catalog.aliases.has(name)) continue;
    const allowed = (byName.get(name) ?? []).filter(({ kind }) => catalog.resolve(name, kind, key)?.length !== 0);
    if (catalog.mayAsk(name, key) && allowed.length > 0) models.push(describe(name, allowed, moment));
  }
  // What a key's list names by target can be asked for only by that name.
  for (const target of catalog.targets) if (key.models?.has(target.id) === true) models.push(describe(target.id, [target], moment));
  return models;
}

/** Any name the key may ask for: one of the list, `auto`, or `provider/model`. */
export function findModel(catalog: Catalog, id: string, key: Key, moment: ModelMoment): Model | undefined {
  const listed = listModels(catalog, key, moment).find((model) => model.id === id);
  if (listed !== undefined || !catalog.mayAsk(id, key)) return listed;
  const targets = catalog.resolve(id, "chat", key) ?? [];
  const found = targets.length > 0 ? targets : (catalog.resolve(id, "embedding", key) ?? []);
  return found.length === 0 ? undefined : describe(id, found, moment);
}

function describeAlias(name: string, targets: readonly Target[], moment: ModelMoment): Model {
  return { ...describe(name, targets, moment), aliasOf: moment.inOrder(name, targets).map(({ id }) => id) };
}

/** What all of its targets can do, and the price where they agree on it. */
function describe(id: string, targets: readonly Target[], { createdWall, canServe }: ModelMoment): Model {
  const owners = [...new Set(targets.map(({ provider }) => provider))];
  const model: Model = {
    $typeName: "semaroute.v1.Model",
    id,
    ownedBy: owners.length === 1 ? (owners[0] ?? "semaroute") : "semaroute",
    createTime: timestampFromMs(createdWall),
    displayName: id,
    providers: [...new Set(targets.filter(canServe).map(({ provider }) => provider))],
    aliasOf: [],
  };
  const [first, ...others] = targets;
  if (first === undefined) return model;
  model.capabilities = others.reduce((shared, { capabilities }) => shareCapabilities(shared, capabilities), first.capabilities);
  const samePrice = others.every(({ price }) => isSamePrice(price, first.price));
  if (first.price !== undefined && samePrice) model.price = modelPrice(first.price);
  return model;
}

function shareCapabilities(a: ModelCapabilities, b: ModelCapabilities): ModelCapabilities {
  const shared: ModelCapabilities = { $typeName: "semaroute.v1.ModelCapabilities" };
  for (const name of Object.keys(a) as (keyof ModelCapabilities)[]) {
    const [x, y] = [a[name], b[name]];
    if (typeof x === "boolean" && typeof y === "boolean") Object.assign(shared, { [name]: x && y });
    else if (typeof x === "number" && typeof y === "number") Object.assign(shared, { [name]: Math.min(x, y) });
  }
  return shared;
}
