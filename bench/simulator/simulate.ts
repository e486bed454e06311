import { create } from "@bufbuild/protobuf";
import type { Key, KeyId } from "../../src/core/call.ts";
import { CacheMode, ChatRequestSchema, Priority, Role } from "../../src/core/chat.ts";
import { ChatError } from "../../src/core/error.ts";
import { createCallDesk } from "../../src/server/call-desk.ts";
import type { Wishes } from "../../src/server/wishes.ts";
import type { Arrival } from "./arrivals.ts";
import { createVirtualClock, type VirtualClock } from "./clock.ts";
import type { Contestant } from "./contestants.ts";
import { createDraws } from "./draws.ts";
import type { Fleet } from "./fleet.ts";
import { createHouse, type House } from "./house.ts";
import type { Scene } from "./scenes.ts";
import { createTally, type Tally } from "./tally.ts";
import { createUpstreams, type Upstreams } from "./upstreams.ts";

const hourMs = 3_600_000;
/** Midnight of the day. */
const dayMs = Date.UTC(2026, 0, 5);
/** The longest that a call may take: after the last arrival all others are over by then. */
const longestCallMs = 601_000;

/** One policy in one scene. */
export interface Run {
  readonly seed: number;
  readonly fleet: Fleet;
  readonly scene: Scene;
  readonly arrivals: readonly Arrival[];
  readonly contestant: Contestant;
}

/** Lets the calls come and go, in virtual time. */
export async function simulate({ seed, fleet, scene, arrivals, contestant }: Run): Promise<Tally> {
  const clock = createVirtualClock(dayMs + scene.fromHour * hourMs);
  const random = createDraws(seed).uniform;
  const tally = createTally(fleet.providers[0] ?? "");
  const upstreams: Upstreams = createUpstreams({ clock, fleet, scene, arrivalOf: (id) => arrivalOf(arrivals, Number(id)) });
  const ranker = contestant.make({ fleet, truth: upstreams.truth });
  const observer = { began: () => undefined, ended: tally.ended };
  const house = createHouse({ clock, random, fleet, scene, providers: upstreams.providers, ranker, observer });
  const bugs: unknown[] = [];
  openDoors({ clock, random, house, arrivals, bugs });
  await clock.run((scene.untilHour - scene.fromHour) * hourMs + longestCallMs);
  house.close();
  if (bugs.length > 0) throw new Error(`${bugs.length} calls met a bug`, { cause: bugs[0] });
  return tally;
}

function arrivalOf(arrivals: readonly Arrival[], number: number): { readonly number: number; readonly arrival: Arrival } {
  const arrival = arrivals[number];
  if (arrival === undefined) throw new Error(`there is no call ${number}`);
  return { number, arrival };
}

interface Doors {
  readonly clock: VirtualClock;
  readonly random: () => number;
  readonly house: House;
  readonly arrivals: readonly Arrival[];
  readonly bugs: unknown[];
}

/** One timer for all who are still to come. */
function openDoors({ clock, random, house, arrivals, bugs }: Doors): void {
  const desk = createCallDesk({ router: house, clock, random, newId: () => "" });
  const visit = async (arrival: Arrival, number: number): Promise<void> => {
    const { model, inputTokens } = arrival;
    const request = create(ChatRequestSchema, { model, messages: [{ role: Role.USER, text: promptOf(number, inputTokens) }] });
    const opened = desk.open({ door: "grpc", key, request, streamed: true, wishes, receivedMs: clock.now(), id: String(number) });
    try {
      const { batches } = await house.chat(opened.call);
      for (let result = await batches.next(); result.done !== true; result = await batches.next());
    } catch (thrown) {
      // The meter has told of it; what nobody foresaw would make the figures wrong.
      if (!(thrown instanceof ChatError) || thrown.failure === "INTERNAL") bugs.push(thrown);
    } finally {
      opened.close();
    }
  };
  const awaitNext = (number: number): void => {
    const arrival = arrivals[number];
    if (arrival === undefined) return;
    clock.after(arrival.atMs - clock.now(), () => {
      void visit(arrival, number);
      awaitNext(number + 1);
    });
  };
  awaitNext(0);
}

const key: Key = { id: "anonymous" as KeyId, name: "anonymous", models: undefined, priority: Priority.NORMAL };
const wishes: Wishes = {
  requestId: undefined,
  timeoutMs: undefined,
  tags: undefined,
  affinity: undefined,
  cache: CacheMode.UNSPECIFIED,
  traceparent: undefined,
};

const filler = "word ".repeat(30_000);

/** No two begin alike, and the estimate of its tokens is right. */
function promptOf(number: number, tokens: number): string {
  const begin = `${number}: `;
  return begin + filler.slice(0, Math.max(0, tokens * 4 - begin.length));
}
