import cluster, { type Worker } from "node:cluster";
import { type Clock, within } from "../core/clock.ts";
import { createLink, type Handlers } from "./link.ts";
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
  readonly endMs: () => number;
  /** What a worker is answered. */
  readonly deskOf: (member: Member) => Desk;
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
  const { program, count, clock, tell } = options;
  // Numbers that JSON does not know, and bytes, go from process to process.
  cluster.setupPrimary({ exec: program, serialization: "advanced" });
  cluster.schedulingPolicy = cluster.SCHED_RR;
  const running = new Map<number, Running>();
  let restarts = 0;
  let streak = 0;
  let isStopping = false;
  let isReplacing = false;
  let number = 0;

  const fork = (): Running => {
    const member = runningFrom({ process: cluster.fork(), number: ++number, clock, deskOf: options.deskOf });
    running.set(member.number, member);
    member.process.once("exit", (code, signal) => onExit(member, { code: signal === null ? code : undefined, signal: signal ?? undefined }));
    void member.ready.promise.then((listening) => {
      if (!("length" in listening)) return;
      if (member.state === "starting") member.state = "serving";
      tell.started(member);
    });
    return member;
  };
  const onExit = (member: Running, ended: Ended): void => {
    running.delete(member.number);
    member.link.end();
    member.desk.gone();
    member.ready.resolve(ended);
    member.ended.resolve(ended);
    if (member.state === "leaving") tell.left(member);
    else if (member.state === "serving" && !isStopping) again(member, ended);
  };
  /** A worker that dies as soon as it lives must not keep the machine busy with its births. */
  const again = (member: Running, ended: Ended): void => {
    streak = clock.now() - member.startMs >= steadyMs ? 0 : streak + 1;
    const waitMs = streak === 0 ? 0 : Math.min(waitMsMax, waitMsMin * 2 ** (streak - 1));
    restarts += 1;
    tell.died(member, ended, waitMs);
    clock.after(waitMs, () => {
      if (isStopping) return;
      const next = fork();
      void served(next).then((came) => {
        if (came || isStopping) return;
        void next.ended.promise.then((how) => again(next, how));
      });
    });
  };
  /** Whether it serves; one that takes too long is ended. */
  const served = async (member: Running): Promise<boolean> => {
    const listening = await within(clock, startMs, member.ready.promise);
    if (listening === undefined) member.process.process.kill("SIGKILL");
    return listening !== undefined && "length" in listening;
  };
  const leave = async (member: Running, why: Leaving): Promise<void> => {
    member.state = "leaving";
    member.link.tell("stop", why);
    if ((await within(clock, options.endMs(), member.ended.promise)) !== undefined) return;
    member.process.process.kill("SIGKILL");
    await member.ended.promise;
  };
  const replace = async (old: Running): Promise<boolean> => {
    const next = fork();
    if (!(await served(next))) {
      tell.unreplaced(next);
      return false;
    }
    // It may have died meanwhile, and another one is coming for it.
    if (running.has(old.number)) await leave(old, "replaced");
    return true;
  };

  return {
    async start() {
      const first = fork();
      const listening = await first.ready.promise;
      if (!("length" in listening)) return listening;
      const others = Array.from({ length: count - 1 }, fork);
      const outcomes = await Promise.all(others.map((each) => each.ready.promise));
      return outcomes.find((each): each is Ended => !("length" in each)) ?? listening;
    },
    members: () => [...running.values()],
    restarts: () => restarts,
    async replaceAll() {
      if (isReplacing || isStopping) return false;
      isReplacing = true;
      try {
        for (const old of [...running.values()]) {
          if (isStopping) return false;
          if (running.has(old.number) && !(await replace(old))) return false;
        }
        return true;
      } finally {
        isReplacing = false;
      }
    },
    async stop() {
      isStopping = true;
      await Promise.all([...running.values()].map((member) => leave(member, "stopping")));
    },
    kill() {
      for (const { process: child } of running.values()) child.process.kill("SIGKILL");
    },
  };
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
