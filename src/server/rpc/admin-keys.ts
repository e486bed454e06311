import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { Code, type HandlerContext } from "@connectrpc/connect";
import type {
  CreateKeyRequest,
  Key as KeyMessage,
  KeyLimits as LimitsMessage,
  UpdateKeyRequest,
} from "../../../gen/semaroute/v1/admin_pb.ts";
import type { Key, KeyLimits } from "../../core/call.ts";
import { Priority } from "../../core/chat.ts";
import { timestampFromMs } from "../../core/clock.ts";
import type { IssuedKey, KeyChange } from "../../core/keys.ts";
import type { KeySpending, Operations } from "../../core/operations.ts";
import { createRefusal } from "../errors.ts";
import type { AdminMethods } from "./admin.ts";
import { authorOf, invalidArgument, originOf, quoted } from "./admin-changes.ts";
import { pageOf } from "./pages.ts";

/** Callers' keys: those of the configuration are shown, those that were issued are changed, too. */
export function keyMethods(operations: Operations): AdminMethods {
  const { keys } = operations;
  const shown = async (key: IssuedKey): Promise<KeyMessage> => messageFrom(key, await operations.spending(key));
  /** Of one that was changed: the change is not to fail because nobody can say what the key has spent. */
  const shownAnyway = (key: IssuedKey): Promise<KeyMessage> => shown(key).catch(() => messageFrom(key, nothingSpent));
  const shownConfigured = async (key: Key): Promise<KeyMessage> => configuredMessage(key, await operations.spending(key));
  const audit = (action: string, key: IssuedKey, context: HandlerContext, comment: string): void =>
    operations.audit({ action, subject: key.id, author: authorOf(context), comment, ...originOf(context) });
  /** What the audit line says of a list of models: they come and go, so that a name is not refused for being unknown now. */
  const unknownAmong = (models: readonly string[]): string => {
    const unknown = models.filter((name) => !operations.isModel(name));
    return unknown.length === 0 ? "" : `; not known here: ${unknown.slice(0, toldModelsMax).join(", ")}`;
  };
  const refuseConfigured = (id: string): void => {
    if (operations.configuredKeys().some((key) => key.id === id)) throw configured(id);
  };
  return {
    async createKey(request, context) {
      const issue = await keys.issue(initFrom(request, operations.now()));
      if (issue.kind === "full") throw full(issue.max);
      if (issue.kind === "known") return { key: await shownAnyway(issue.key), secret: "" };
      audit("CreateKey", issue.key, context, `${issue.key.name}, ${issue.key.prefix}…${unknownAmong(issue.key.models)}`);
      return { key: await shownAnyway(issue.key), secret: issue.secret };
    },
    async listKeys(request) {
      const issued = await keys.list();
      const all = [...operations.configuredKeys(), ...issued];
      const { items, nextPageToken } = pageOf({ name: "keys", items: all, key: ({ id }) => id }, request);
      return { keys: await Promise.all(items.map((key) => ("digest" in key ? shown(key) : shownConfigured(key)))), nextPageToken };
    },
    async updateKey(request, context) {
      const { id } = request;
      refuseConfigured(id);
      if (keys.find(id)?.revokeWall !== undefined) throw revoked(id);
      const { change, words } = changeFrom(request, operations.now());
      if (words.length === 0) throw invalidArgument("nothing is to be changed", []);
      const key = await keys.update(id, change);
      if (key === undefined) throw notFound(id);
      audit("UpdateKey", key, context, `${words.join(", ")}${unknownAmong(change.models ?? [])}`);
      return { key: await shownAnyway(key) };
    },
    async revokeKey({ id }, context) {
      refuseConfigured(id);
      const before = keys.find(id);
      const key = await keys.revoke(id);
      if (key === undefined) throw notFound(id);
      if (before?.revokeWall === undefined) audit("RevokeKey", key, context, key.name);
      return { key: await shownAnyway(key) };
    },
  };
}

const nothingSpent: KeySpending = { spentMicroUsd: 0n, reservedMicroUsd: 0n };

/** Unknown models that an audit line names. */
const toldModelsMax = 10;

function initFrom({ name, models, limits, expireTime, labels, priority, requestId }: CreateKeyRequest, nowWall: number) {
  return {
    name,
    models,
    limits: limitsFrom(limits),
    expireWall: expireTime && expiryFrom(expireTime, nowWall),
    labels,
    priority: priority === Priority.UNSPECIFIED ? Priority.NORMAL : priority,
    requestId,
  };
}

/** What is to be changed, and the same in words; values are told by ListKeys. */
function changeFrom(request: UpdateKeyRequest, nowWall: number): { readonly change: KeyChange; readonly words: readonly string[] } {
  const { name, models, limits, expireTime, priority, labels, neverExpires } = request;
  if (neverExpires && expireTime !== undefined) throw badExpiry("contradicts never_expires");
  const change: KeyChange = {
    ...(name !== undefined && { name }),
    ...(models !== undefined && { models: models.models }),
    ...(limits !== undefined && { limits: limitsFrom(limits) }),
    ...(expireTime !== undefined && { expireWall: expiryFrom(expireTime, nowWall) }),
    ...(neverExpires && { expireWall: undefined }),
    ...(priority !== undefined && { priority: priority === Priority.UNSPECIFIED ? Priority.NORMAL : priority }),
    ...(labels !== undefined && { labels: labels.labels }),
  };
  return { change, words: Object.keys(change).map((field) => fieldWords[field] ?? field) };
}

const fieldWords: Readonly<Record<string, string>> = { expireWall: "expiry" };

/** 9999-12-31T23:59:59Z; later times have no text. */
const secondsMax = 253_402_300_799n;

function expiryFrom({ seconds, nanos }: Timestamp, nowWall: number): number {
  if (seconds > secondsMax) throw badExpiry("is behind the year 9999");
  const wall = Number(seconds) * 1000 + Math.floor(nanos / 1e6);
  if (wall <= nowWall) throw badExpiry("is in the past");
  return wall;
}

function badExpiry(what: string): Error {
  return invalidArgument(`expire_time ${what}`, [{ field: "expire_time", description: what }]);
}

/** All of it zero is no limit, and kept as none. */
function limitsFrom(limits: LimitsMessage | undefined): KeyLimits | undefined {
  if (limits === undefined) return undefined;
  const { requestsPerMinute, tokensPerMinute, concurrentCalls, budgetMicroUsd, budgetPeriod } = limits;
  if (requestsPerMinute === 0 && tokensPerMinute === 0n && concurrentCalls === 0 && budgetMicroUsd === 0n) return undefined;
  return {
    requestsPerMinute,
    tokensPerMinute: Number(tokensPerMinute),
    concurrentCalls,
    budgetMicroUsd: Number(budgetMicroUsd),
    budgetPeriod: budgetPeriod === "day" || budgetPeriod === "total" ? budgetPeriod : "month",
  };
}

function messageFrom(issued: IssuedKey, spending: KeySpending): KeyMessage {
  const { id, prefix, name, createWall, expireWall, revokeWall, models, limits, labels, priority } = issued;
  return {
    $typeName: "semaroute.v1.Key",
    id,
    prefix,
    name,
    createTime: timestampFromMs(createWall),
    ...(expireWall !== undefined && { expireTime: timestampFromMs(expireWall) }),
    ...(revokeWall !== undefined && { revokeTime: timestampFromMs(revokeWall) }),
    models: [...models],
    ...limitsOf(limits),
    ...spending,
    labels: { ...labels },
    priority,
  };
}

function configuredMessage({ id, name, models, limits, labels = {}, priority }: Key, spending: KeySpending): KeyMessage {
  return {
    $typeName: "semaroute.v1.Key",
    id,
    prefix: "",
    name,
    models: [...(models ?? [])],
    ...limitsOf(limits),
    ...spending,
    labels: { ...labels },
    priority,
  };
}

function limitsOf(limits: KeyLimits | undefined): Pick<KeyMessage, "limits"> {
  if (limits === undefined) return {};
  const { requestsPerMinute, tokensPerMinute, concurrentCalls, budgetMicroUsd, budgetPeriod } = limits;
  if (requestsPerMinute + tokensPerMinute + concurrentCalls + budgetMicroUsd === 0) return {};
  const numbers = { requestsPerMinute, tokensPerMinute: BigInt(tokensPerMinute), concurrentCalls, budgetMicroUsd: BigInt(budgetMicroUsd) };
  return { limits: { $typeName: "semaroute.v1.KeyLimits", ...numbers, budgetPeriod } };
}

function notFound(id: string): Error {
  return createRefusal({ code: Code.NotFound, reason: "KEY_NOT_FOUND", text: `no key ${quoted(id)}` });
}

function configured(id: string): Error {
  const text = `key ${quoted(id)} belongs to the configuration: change it there, at auth.keys`;
  return createRefusal({ code: Code.FailedPrecondition, reason: "KEY_OF_CONFIGURATION", text });
}

function revoked(id: string): Error {
  return createRefusal({ code: Code.FailedPrecondition, reason: "KEY_REVOKED", text: `key ${quoted(id)} was revoked` });
}

function full(max: number): Error {
  return createRefusal({
    code: Code.ResourceExhausted,
    reason: "TOO_MANY_KEYS",
    text: `there are ${max} keys already, revoked ones included`,
  });
}
