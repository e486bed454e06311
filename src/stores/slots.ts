import type { TargetId } from "../core/catalog.ts";
import type { Clock } from "../core/clock.ts";
import type { Insistence, SlotRequest, Slots } from "../core/health.ts";
import { DecayingMean } from "./decaying-mean.ts";
import { FairQueue, isBefore, type Turn, Turns } from "./turns.ts";

/** `max_concurrent` where nobody declared another. */
const slotsDefault = 256;
/** Calls that may wait for a slot of one provider; more are sent away at once. */
const waitersMax = 1000;
/** Targets of a provider whose pace is remembered while nobody calls them. */
const idleTargetsMax = 1000;

/** What to tell a caller while no slot was ever given back. */
const waitGuessMs = 1_000;
const waitMsMax = 30_000;

/** Slots whose sizes come from the configuration, and from what targets can take. */
export interface ProviderSlots extends Slots {
  /** Sets a provider's maximum; waiters move up where it grew, and nobody is thrown out where it shrank. */
  declare(provider: string, max: number): void;
  /** Slots taken now. */
  inUse(provider: string): number;
}

/** Calls a target may have at a time; Infinity: as many as its provider. */
export type LimitOf = (target: TargetId, insist: Insistence | undefined) => number;

interface Room {
  used: number;
  /** How long slots were held. */
  readonly heldMs: DecayingMean;
}

interface TargetRoom extends Room {
  /** Calls that wait for this target, by their key; each is given its slot, or removes itself. */
  readonly waiters: FairQueue<Waiter>;
}

interface Pool extends Room {
  max: number;
  readonly targets: Map<TargetId, TargetRoom>;
  /** Those that somebody waits for. */
  readonly awaited: Set<TargetRoom>;
  /** Calls that wait for any of them, and whose turn it is. */
  readonly turns: Turns<Waiter>;
}

interface Waiter extends Turn {
  readonly request: SlotRequest;
  /** Undefined: it is to wait no longer, for others have more right to its place. */
  readonly settle: (release: (() => void) | undefined) => void;
}

/** Bounds the concurrent calls of each provider and of each of its targets. Who waits is served in turns, key by key. */
export function createSlots(clock: Clock, limitOf: LimitOf = () => Number.POSITIVE_INFINITY): ProviderSlots {
  return new SlotPools(clock, limitOf);
}

class SlotPools implements ProviderSlots {
  readonly #clock: Clock;
  readonly #limitOf: LimitOf;
  readonly #pools = new Map<string, Pool>();

  constructor(clock: Clock, limitOf: LimitOf) {
    this.#clock = clock;
    this.#limitOf = limitOf;
  }

  declare(provider: string, max: number): void {
    const pool = this.#poolOf(provider);
    pool.max = max;
    this.#admitWaiters(pool);
  }

  inUse(provider: string): number {
    return this.#pools.get(provider)?.used ?? 0;
  }

  take(request: SlotRequest): (() => void) | undefined {
    const pool = this.#poolOf(request.target.provider);
    // A limit can grow by time alone: those who wait come first.
    if (pool.turns.waiting > 0) this.#admitWaiters(pool);
    return this.#take(pool, request);
  }

  wait(request: SlotRequest, ms: number, signal: AbortSignal): Promise<(() => void) | undefined> {
    if (signal.aborted) return Promise.reject(signal.reason);
    const pool = this.#poolOf(request.target.provider);
    const free = this.take(request);
    if (free !== undefined || ms <= 0) return Promise.resolve(free);
    const key = request.key?.id ?? "";
    if (pool.turns.waiting >= waitersMax) {
      const displaced = pool.turns.displacedBy(key);
      if (displaced === undefined) return Promise.resolve(undefined);
      displaced.settle(undefined);
    }
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        leaveRoom(pool, waiter);
        cancelTimer();
        signal.removeEventListener("abort", onAbort);
      };
      const settle = (release: (() => void) | undefined): void => {
        leave();
        resolve(release);
      };
      const onAbort = (): void => {
        leave();
        reject(signal.reason);
      };
      const cancelTimer = this.#clock.after(ms, () => {
        settle(undefined);
      });
      const waiter: Waiter = { request, ...pool.turns.next(key), settle };
      signal.addEventListener("abort", onAbort, { once: true });
      enterRoom(pool, waiter);
    });
  }

  waitEstimateMs({ target, insist, key }: SlotRequest): number {
    const pool = this.#poolOf(target.provider);
    const room = pool.targets.get(target.id);
    const limit = this.#limitOf(target.id, insist);
    // By Little's law a slot comes free every `held / slots`; who waits already is served before, as far as it is their turn.
    const id = key?.id ?? "";
    const ofPool = pool.used < pool.max ? 0 : turnMs(pool.heldMs.value, pool.turns.ahead(id), pool.max);
    const isFree = room === undefined || room.used < limit;
    const ofTarget = isFree ? 0 : turnMs(room.heldMs.value ?? pool.heldMs.value, room.waiters.ahead(id), limit);
    return Math.min(waitMsMax, Math.max(1, ofPool, ofTarget));
  }

  #take(pool: Pool, { target, insist }: SlotRequest): (() => void) | undefined {
    if (pool.used >= pool.max) return undefined;
    const room = roomOf(pool, target.id);
    if (room.used >= this.#limitOf(target.id, insist)) return undefined;
    pool.used += 1;
    room.used += 1;
    const sinceMs = this.#clock.now();
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      pool.used -= 1;
      room.used -= 1;
      const nowMs = this.#clock.now();
      pool.heldMs.add(nowMs - sinceMs, nowMs);
      room.heldMs.add(nowMs - sinceMs, nowMs);
      this.#admitWaiters(pool);
      forgetIdle(pool, room, target.id);
    };
  }

  /** A freed slot is taken for the first waiter it is good for before anybody else can ask, so that newcomers never overtake. */
  #admitWaiters(pool: Pool): void {
    while (pool.turns.waiting > 0 && pool.used < pool.max) {
      const first = this.#firstAdmissible(pool);
      if (first === undefined) return;
      const release = this.#take(pool, first.request);
      if (release === undefined) return;
      pool.turns.served(first);
      first.settle(release);
    }
  }

  /** Whose turn it is, of those whose target is not full: the others let them pass. */
  #firstAdmissible({ awaited }: Pool): Waiter | undefined {
    let first: Waiter | undefined;
    for (const { used, waiters } of awaited) {
      const head = waiters.first();
      if (head === undefined || (first !== undefined && !isBefore(head, first))) continue;
      if (used < this.#limitOf(head.request.target.id, head.request.insist)) first = head;
    }
    return first;
  }

  #poolOf(provider: string): Pool {
    const known = this.#pools.get(provider);
    if (known !== undefined) return known;
    const pool: Pool = {
      max: slotsDefault,
      used: 0,
      heldMs: new DecayingMean(),
      targets: new Map(),
      awaited: new Set(),
      turns: new Turns(),
    };
    this.#pools.set(provider, pool);
    return pool;
  }
}

function roomOf(pool: Pool, id: TargetId): TargetRoom {
  const known = pool.targets.get(id);
  if (known !== undefined) return known;
  const room: TargetRoom = { used: 0, heldMs: new DecayingMean(), waiters: new FairQueue() };
  pool.targets.set(id, room);
  return room;
}

/** Callers can make up the names of targets: of those without calls only so many are kept. */
function forgetIdle(pool: Pool, room: TargetRoom, id: TargetId): void {
  if (room.used === 0 && room.waiters.size === 0 && pool.targets.size > idleTargetsMax) pool.targets.delete(id);
}

function enterRoom(pool: Pool, waiter: Waiter): void {
  const room = roomOf(pool, waiter.request.target.id);
  room.waiters.add(waiter);
  pool.awaited.add(room);
  pool.turns.add(waiter);
}

function leaveRoom(pool: Pool, waiter: Waiter): void {
  const room = roomOf(pool, waiter.request.target.id);
  if (!room.waiters.delete(waiter)) return;
  if (room.waiters.size === 0) pool.awaited.delete(room);
  pool.turns.delete(waiter);
  forgetIdle(pool, room, waiter.request.target.id);
}

/** When it is the turn of who comes behind `ahead` others. */
function turnMs(heldMs: number | undefined, ahead: number, slots: number): number {
  return heldMs === undefined ? waitGuessMs : (heldMs * (ahead + 1)) / slots;
}
