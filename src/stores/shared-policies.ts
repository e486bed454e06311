import type { PolicyRevision } from "../core/chat.ts";
import { type Clock, timestampFromMs } from "../core/clock.ts";
import type { News } from "../core/news.ts";
import type { NoRevision, PolicyChange, PolicyDesk, PolicyReturn, PolicyVerdict } from "../core/operations.ts";
import type { KeptPolicies, PolicyMark, SharedPolicyStore } from "../core/store.ts";
import { lookOnNews } from "./look-on-news.ts";
import { changeBack, type FilePolicyDesk } from "./policy-desk.ts";

/** A desk whose policies are those of all replicas. */
export interface SharedPolicyDesk extends PolicyDesk, Pick<FilePolicyDesk, "install"> {
  swap(change: PolicyChange): Promise<PolicyVerdict>;
  rollback(way: PolicyReturn): Promise<PolicyVerdict | NoRevision>;
  /** Looks at the store now. Rejects where it does not answer. */
  renew(): Promise<void>;
  /** Looks at the store no more. */
  close(): void;
}

/** What it needs. */
export interface SharedPolicyOptions {
  /** This replica's, which keeps nothing by itself. */
  readonly desk: FilePolicyDesk;
  readonly store: SharedPolicyStore;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** What the store said at the start; undefined: nothing, or it did not answer. */
  readonly kept: KeptPolicies | undefined;
  /** Told when what is in force has changed by another's doing, and once when it cannot be taken over. Must not throw. */
  readonly onShared: (change: SharedChange) => void;
  /** By which replicas tell each other of changes. Default: each finds out when it next asks the store. */
  readonly news?: News | undefined;
}

/** What the store says, and this replica did. */
export interface SharedChange {
  /** `unfit`: it does not fit this replica's configuration, and what was in force here stays. */
  readonly kind: "adopted" | "unfit";
  /** What is active in the store. */
  readonly revision: string;
  readonly author: string;
}

/** How often the store is asked, whatever was told: poolers and failovers lose notices. */
const askEveryMs = 2000;
const channel = "semaroute:policies";
/** As many as the store keeps, beside the active one. */
const revisionsMax = 1000;
/** So many others may come first. */
const triesMax = 5;

/**
 * Puts a store between this replica and the others: a change is first made there, if nobody was faster, and then here. The file's
 * policy alone is in force at once, and told to the store as soon as it answers.
 */
export function createSharedPolicyDesk(options: SharedPolicyOptions): SharedPolicyDesk {
  const { desk } = options;
  const step = new InStep(options);
  step.look();
  return {
    active: () => desk.active(),
    canary: () => desk.canary(),
    find: (revision) => desk.find(revision),
    examine: (policy) => desk.examine(policy),
    revisions: () => desk.revisions(),
    kept: () => Promise.resolve(true),
    swap: (change) => step.serially(() => step.change(change)).catch(unavailable),
    rollback: (way) => step.serially(() => step.changeBack(way)).catch(unavailable),
    install(policy, author, comment) {
      const verdict = desk.install(policy, author, comment);
      if (verdict?.kind === "swapped") step.tell();
      return verdict;
    },
    renew: () => step.renew(),
    close: () => step.close(),
  };
}

/** Keeps a desk and the store in step. */
class InStep {
  readonly #options: SharedPolicyOptions;
  /** As the store was last seen. */
  #state: KeptPolicies | undefined;
  /** Whether what is in force here is what is in force there. */
  #isInStep: boolean;
  #isToldUnfit = false;
  /** The file's policy has changed, and the store does not know. Not asked at each look: replicas may have different files. */
  #hasNews: boolean;
  #last: Promise<unknown> = Promise.resolve();
  #cancel: (() => void) | undefined;
  readonly #stopListening: (() => void) | undefined;
  #isClosed = false;

  constructor(options: SharedPolicyOptions) {
    const { kept, desk, news } = options;
    this.#options = options;
    this.#state = kept;
    this.#isInStep = kept !== undefined && kept.active === desk.active().number;
    this.#hasNews = kept?.fileText !== desk.fileText();
    this.#stopListening = news && lookOnNews(channel, { ...options, news, look: () => this.#stepSoon() });
  }

  /** One thing after the other. */
  serially<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** Now, and again and again. */
  look(): void {
    const { clock, random } = this.#options;
    this.#cancel = undefined;
    // A store that does not answer now is asked again soon.
    void this.serially(() => this.#step())
      .catch(() => undefined)
      .then(() => {
        if (!this.#isClosed) this.#cancel ??= clock.after(askEveryMs * (0.8 + 0.4 * random()), () => this.look());
      });
  }

  async renew(): Promise<void> {
    await this.serially(() => this.#step());
  }

  /** The file's policy is another. */
  tell(): void {
    this.#hasNews = true;
    this.#stepSoon();
  }

  close(): void {
    this.#isClosed = true;
    this.#cancel?.();
    this.#stopListening?.();
  }

  async change({ expectedRevision, ...wanted }: PolicyChange): Promise<PolicyVerdict> {
    for (let tries = 0; tries < triesMax; tries++) {
      const now = await this.#step();
      const { active, fileText } = now;
      const previousRevision = revisionIn(now, active)?.revision ?? "";
      if (expectedRevision !== "" && expectedRevision !== previousRevision) return { kind: "conflict", activeRevision: previousRevision };
      const verdict = this.#options.desk.swap({ ...wanted, expectedRevision: "", dryRun: true });
      if (verdict.kind !== "swapped") return verdict;
      const number = nextNumber(now);
      const activateTime = wanted.dryRun ? undefined : timestampFromMs(this.#options.clock.wall());
      const policy = { ...verdict.policy, number, activateTime };
      const planned = { ...verdict, policy, previousRevision };
      if (wanted.dryRun) return planned;
      const next = policy.share < 1 ? { active, canary: number } : { active: number, canary: undefined };
      if (await this.#replace({ revisions: [policy], ...next, fileText })) return planned;
    }
    return { kind: "unavailable" };
  }

  async changeBack(way: PolicyReturn): Promise<PolicyVerdict | NoRevision> {
    for (let tries = 0; tries < triesMax; tries++) {
      const now = await this.#step();
      const active = revisionIn(now, now.active);
      if (active === undefined) return { kind: "missing" };
      const canary = way.number === 0n && now.canary !== undefined ? revisionIn(now, now.canary) : undefined;
      if (canary === undefined) {
        const wanted = changeBack(way, active, now.revisions);
        return wanted === undefined ? { kind: "missing" } : this.change(wanted);
      }
      const isDropped = await this.#replace({ ...now, revisions: [], canary: undefined });
      if (isDropped) return { kind: "swapped", policy: active, previousRevision: canary.revision, issues: [] };
    }
    return { kind: "unavailable" };
  }

  #stepSoon(): void {
    // What does not succeed is tried again at the next look.
    void this.serially(() => this.#step()).catch(() => undefined);
  }

  /** As the store is now, with the file's policy in it. Rejects where it does not answer, or others are always faster. */
  async #step(): Promise<KeptPolicies> {
    const { store } = this.#options;
    for (let tries = 0; tries < triesMax; tries++) {
      if (!isSame(await store.mark(), this.#state && markOf(this.#state))) {
        this.#state = await store.load();
        this.#isInStep = false;
        this.#isToldUnfit = false;
      }
      if (this.#hasNews && !(await this.#tellFile())) continue;
      if (!this.#isInStep) this.#adopt(false);
      if (this.#state !== undefined) return this.#state;
    }
    throw new Error("the store's policies change all the time");
  }

  /** False: somebody was faster. */
  async #tellFile(): Promise<boolean> {
    const { desk } = this.#options;
    const fileText = desk.fileText();
    if (this.#state?.fileText === fileText) {
      // Another replica has read the same file before, and more may have happened since.
      this.#hasNews = false;
      this.#isInStep = false;
      return true;
    }
    const number = nextNumber(this.#state);
    const revisions = [{ ...desk.active(), number, share: 1 }];
    if (!(await this.#replace({ revisions, active: number, canary: undefined, fileText }))) return false;
    this.#hasNews = desk.fileText() !== fileText;
    return true;
  }

  /** False: somebody was faster. */
  async #replace(change: KeptPolicies): Promise<boolean> {
    const before = this.#state;
    if (!(await this.#options.store.replace(change, before && markOf(before)))) return false;
    this.#options.news?.tell(channel, "");
    const known = [...change.revisions, ...(before?.revisions ?? [])];
    this.#state = { ...change, revisions: known.filter(({ number }, at) => at < revisionsMax || number === change.active) };
    this.#adopt(true);
    return true;
  }

  #adopt(isOurs: boolean): void {
    const { desk, onShared } = this.#options;
    const state = this.#state;
    if (state === undefined) return;
    const before = desk.active().revision;
    this.#isInStep = desk.adopt(state);
    const { revision = "", author = "" } = revisionIn(state, state.active) ?? {};
    if (this.#isInStep && !isOurs && revision !== before) onShared({ kind: "adopted", revision, author });
    if (!this.#isInStep && !this.#isToldUnfit) onShared({ kind: "unfit", revision, author });
    this.#isToldUnfit = !this.#isInStep;
  }
}

function unavailable(): PolicyVerdict {
  return { kind: "unavailable" };
}

function revisionIn({ revisions }: KeptPolicies, number: bigint): PolicyRevision | undefined {
  return revisions.find((each) => each.number === number);
}

function nextNumber(state: KeptPolicies | undefined): bigint {
  return (state?.revisions[0]?.number ?? 0n) + 1n;
}

function markOf({ revisions, active, canary }: KeptPolicies): PolicyMark {
  return { newest: revisions[0]?.number ?? active, active, canary };
}

function isSame(one: PolicyMark | undefined, other: PolicyMark | undefined): boolean {
  return one?.newest === other?.newest && one?.active === other?.active && one?.canary === other?.canary;
}
