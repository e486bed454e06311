import type { Settings } from "./config/schema.ts";
import { type Clock, sleep } from "./core/clock.ts";
import type { Doors } from "./doors.ts";
import type { Gateway } from "./gateway.ts";
import type { Listener } from "./server/listen.ts";
import type { Log } from "./telemetry/log.ts";

/** What is brought to its end. */
export interface Draining {
  readonly settings: Settings;
  readonly doors: Doors;
  readonly gateway: Gateway;
  readonly listeners: readonly Listener[];
  readonly clock: Clock;
  readonly log: Log;
  /** Whether another process takes new connections on the same port already. */
  readonly isReplaced: boolean;
}

/** Longest wait for answers that were cut to reach their callers. */
const lastWordsMs = 2000;

/** How long callers have to go over to who takes this process's place, before it refuses them; milliseconds. */
const handoverMs = 3000;

/** Not ready, then closed, then finished or cut: each with a clock of its own. Who is replaced sends its callers away first, and refuses none. */
export async function drain({ settings, doors, gateway, listeners, clock, log, isReplaced }: Draining): Promise<void> {
  const { drain_delay, drain_timeout: graceMs } = settings.server;
  // Whoever asks whether it is ready means the port, and that is.
  const delayMs = isReplaced ? 0 : drain_delay;
  const never = new AbortController().signal;
  log.info({ running: gateway.running(), drain_delay_ms: delayMs, drain_timeout_ms: graceMs }, "draining");
  if (isReplaced) {
    for (const listener of listeners) listener.handOver();
    await Promise.race([Promise.all(listeners.map((listener) => listener.ended())), sleep(clock, handoverMs, never)]);
  }
  doors.drain();
  if (delayMs > 0) await sleep(clock, delayMs, never);
  doors.refuse();
  for (const listener of listeners) listener.drain();
  // What has arrived is served, also where its body is still on its way: then it is a request, and no call yet.
  const done = Promise.all([gateway.idle(), ...listeners.map((listener) => listener.quiet())]);
  const late = await Promise.race([done.then(() => false), sleep(clock, graceMs, never).then(() => true)]);
  gateway.drain();
  if (late) {
    log.warn({ running: gateway.running(), arriving: doors.arriving() }, "drain timeout passed, ending the calls that still run");
    doors.cut();
    await Promise.race([gateway.idle(), sleep(clock, lastWordsMs, never)]);
  }
  // A call is over before its last bytes have left the socket.
  await Promise.race([Promise.all(listeners.map((listener) => listener.ended())), sleep(clock, lastWordsMs, never)]);
  await Promise.all(listeners.map((listener) => listener.close()));
}
