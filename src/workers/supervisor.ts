import cluster, { type Worker } from "node:cluster";
import { type Clock, within } from "../core/clock.ts";
import { createLink, type Handlers } from "./link.ts";
import { watchPulse } from "./pulse.ts";
import type { Leaving, Listening, PrimaryTable, WorkerLink } from "./protocol.ts";

/** A worker, as its primary knows it. */
export interface Member {
  /** From 1; no number is given twice. */
  readonly number: number;
  readonly pid: number;
  readonly link: WorkerLink;
  /** Whether it has begun to serve; one that leaves goes on to. */
  readonly isUp: () => boolean;
}

/** How a process ended. */
export interface Ended {
  /** Undefined: a signal ended it. */
  readonly code: number | undefined;
  readonly signal: string | undefined;
}

/** What the supervisor is given. */
export interface SupervisorOptions {
  /** The program that workers run; absolute. */
  readonly program: string;
  readonly count: number;
  readonly clock: Clock;
  /** How long a worker may take to end after it was told to; then it is killed. Milliseconds. */
  readonly endMs: number;
  /** What a worker is answered. */
  readonly deskOf: (member: Member) => Desk;
  /** Asks whether a worker lives; false: it did not answer within so many milliseconds. Never rejects. */
  readonly pulse: (member: Member, boundMs: number) => Promise<boolean>;
  readonly tell: SupervisorEvents;
}

/** The primary's side of one worker. */
export interface Desk {
  readonly handlers: Omit<Handlers<PrimaryTable>, "ready">;
  /** The worker is gone. */
  gone(): void;
}

/** Who hears of workers' lives. Must not throw. */
export interface SupervisorEvents {
  started(member: Member): void;
  /** As it was told to. */
  left(member: Member): void;
  /** It ended by itself, and another one starts after `waitMs`. */
  died(member: Member, ended: Ended, waitMs: number): void;
  /** It does not answer any more, and is killed. */
  hung(member: Member): void;
  /** One that was to take another's place did not start, and the other one stays. */
  unreplaced(member: Member): void;
}

/** Keeps so many workers alive. */
export interface Supervisor {
  /** First one, and when it is up, the others. What the first listens on; or how the one ended that could not start. */
  start(): Promise<readonly Listening[] | Ended>;
  /** All that live. */
  members(): readonly Member[];
  /** Workers that ended by themselves, and were replaced. */
  restarts(): number;
  /** One worker after another: first a new one serves, then the old one drains. False: it is under way already, or one did not start. */
  replaceAll(): Promise<boolean>;
  /** Resolves when all have drained and ended. */
  stop(): Promise<void>;
  /** Ends all of them now. */
  kill(): void;
}

/** How long a worker may take until it serves; milliseconds. */
const startMs = 60_000;
/** One that lived shorter is started anew only after a wait, which doubles up to its maximum; milliseconds. */
const steadyMs = 10_000;
const waitMsMin = 250;
const waitMsMax = 15_000;

interface Running extends Member {
  readonly process: Worker;
  readonly desk: Desk;
  readonly startMs: number;
  readonly ready: PromiseWithResolvers<readonly Listening[] | Ended>;
  readonly ended: PromiseWithResolvers<Ended>;
  /** `starting`: whoever started it looks after it. */
  state: "starting" | "serving" | "leaving";
}

/** Starts and watches workers on one port, by Node's cluster: connections go to them in turn. */
export function createSupervisor(options: SupervisorOptions): Supervisor {
  // Numbers that JSON does not know, and bytes, go from process to process.
  cluster.setupPrimary({ exec: options.program, serialization: "advanced" });
  cluster.schedulingPolicy = cluster.SCHED_RR;
  const crew = new Watch(options);
  return {
    start: () => crew.start(),
    members: () => crew.members(),
    restarts: () => crew.restarts,
    replaceAll: () => crew.replaceAll(),
    stop: () => crew.stop(),
    kill: () => crew.kill(),
  };
}

class Watch {
  readonly #options: SupervisorOptions;
  readonly #running = new Map<number, Running>();
  /** Workers that died young, one after another. */
  #streak = 0;
  #number = 0;
  #isStopping = false;
  #isReplacing = false;
  restarts = 0;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  async start(): Promise<readonly Listening[] | Ended> {
    const first = await this.#fork().ready.promise;
    if (!("length" in first)) return first;
    const others = Array.from({ length: this.#options.count - 1 }, () => this.#fork());
    const outcomes = await Promise.all(others.map((each) => each.ready.promise));
    return outcomes.find((each): each is Ended => !("length" in each)) ?? first;
  }

  members(): readonly Running[] {
    return [...this.#running.values()];
  }

  async replaceAll(): Promise<boolean> {
    if (this.#isReplacing || this.#isStopping) return false;
    this.#isReplacing = true;
    try {
      for (const old of this.members()) {
        if (this.#isStopping) return false;
        // One that has died meanwhile has another one coming for it.
        if (this.#running.has(old.number) && !(await this.#replace(old))) return false;
      }
      return true;
    } finally {
      this.#isReplacing = false;
    }
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.members().map((member) => this.#leave(member, "stopping")));
  }

  kill(): void {
    for (const { process: child } of this.#running.values()) child.process.kill("SIGKILL");
  }

  #fork(): Running {
    const { clock, deskOf, tell } = this.#options;
    const member = runningFrom({ process: cluster.fork(), number: ++this.#number, clock, deskOf });
    this.#running.set(member.number, member);
    member.process.once("exit", (code, signal) =>
      this.#onExit(member, { code: signal === null ? code : undefined, signal: signal ?? undefined }),
    );
    void member.ready.promise.then((listening) => {
      if (!("length" in listening)) return;
      if (member.state === "starting") member.state = "serving";
      tell.started(member);
      this.#watchOver(member);
    });
    return member;
  }

  #watchOver(member: Running): void {
    const { clock, pulse, tell } = this.#options;
    const stop = watchPulse({
      clock,
      ask: (boundMs) => pulse(member, boundMs),
      onSilent() {
        tell.hung(member);
        member.process.process.kill("SIGKILL");
      },
    });
    void member.ended.promise.then(stop);
  }

  #onExit(member: Running, ended: Ended): void {
    this.#running.delete(member.number);
    member.link.end();
    member.desk.gone();
    member.ready.resolve(ended);
    member.ended.resolve(ended);
    if (member.state === "leaving") this.#options.tell.left(member);
    else if (member.state === "serving" && !this.#isStopping) this.#startAgain(member, ended);
  }

  /** A worker that dies as soon as it lives must not keep the machine busy with its births. */
  #startAgain(member: Running, ended: Ended): void {
    const { clock, tell } = this.#options;
    this.#streak = clock.now() - member.startMs >= steadyMs ? 0 : this.#streak + 1;
    const waitMs = this.#streak === 0 ? 0 : Math.min(waitMsMax, waitMsMin * 2 ** (this.#streak - 1));
    this.restarts += 1;
    tell.died(member, ended, waitMs);
    clock.after(waitMs, () => {
      if (this.#isStopping) return;
      const next = this.#fork();
      void this.#serves(next).then(async (isUp) => {
        if (isUp) return;
        const how = await next.ended.promise;
        if (!this.#isStopping) this.#startAgain(next, how);
      });
    });
  }

  /** One that takes too long is ended. */
  async #serves(member: Running): Promise<boolean> {
    const listening = await within(this.#options.clock, startMs, member.ready.promise);
    if (listening === undefined) member.process.process.kill("SIGKILL");
    return listening !== undefined && "length" in listening;
  }

  async #leave(member: Running, why: Leaving): Promise<void> {
    member.state = "leaving";
    member.link.tell("stop", why);
    const { clock, endMs } = this.#options;
    if ((await within(clock, endMs, member.ended.promise)) !== undefined) return;
    member.process.process.kill("SIGKILL");
    await member.ended.promise;
  }

  async #replace(old: Running): Promise<boolean> {
    const next = this.#fork();
    if (!(await this.#serves(next))) {
      this.#options.tell.unreplaced(next);
      return false;
    }
    if (this.#running.has(old.number)) await this.#leave(old, "replaced");
    return true;
  }
}

interface RunningParts {
  readonly process: Worker;
  readonly number: number;
  readonly clock: Clock;
  readonly deskOf: SupervisorOptions["deskOf"];
}

function runningFrom({ process: child, number, clock, deskOf }: RunningParts): Running {
  const ready = Promise.withResolvers<readonly Listening[] | Ended>();
  const link: WorkerLink = createLink(
    {
      // With a callback a channel that is closed is no error.
      send: (message) => void child.process.send?.(message, undefined, {}, () => undefined),
      listen: (listener) => void child.on("message", listener),
    },
    clock,
  );
  // What is wrong with its channel ends a process, and that is heard of.
  child.on("error", () => undefined);
  let isUp = false;
  const member: Member = { number, pid: child.process.pid ?? 0, link, isUp: () => isUp };
  const desk = deskOf(member);
  link.serve({
    ...desk.handlers,
    ready(listening) {
      isUp = true;
      ready.resolve(listening);
      return undefined;
    },
  });
  return { ...member, process: child, desk, startMs: clock.now(), ready, ended: Promise.withResolvers(), state: "starting" };
}
