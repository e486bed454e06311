import type { Clock } from "../core/clock.ts";
import { ChatError, chatErrorFrom } from "../core/error.ts";
import type { Provider } from "../core/provider.ts";

/** What the prober needs. */
export interface ProberOptions {
  readonly clock: Clock;
  /** Milliseconds between two probes of one provider. */
  readonly intervalMs: number;
  /** Longest wait for one. */
  readonly timeoutMs: number;
  /** Read anew at each round, because a reload may change them. */
  readonly providers: () => readonly Provider[];
  /** Undefined error: it answered. `models`: what it lists, where it lists. */
  readonly onResult: (provider: string, error: ChatError | undefined, models: readonly string[] | undefined) => void;
  /** Hears what `providers` and `onResult` threw, which stops neither the others nor later rounds. Must not throw. */
  readonly onBug: (error: unknown) => void;
}

/** Active health by the unbilled list call. */
export interface Prober {
  /** Asks everyone once, now. */
  round(): Promise<void>;
  stop(): void;
}

/** Asks at once and then at the interval; a round that is still on is not overtaken. */
export function startProber({ clock, intervalMs, timeoutMs, providers, onResult, onBug }: ProberOptions): Prober {
  let cancel: (() => void) | undefined;
  let stopped = false;
  const ask = async (provider: Provider): Promise<void> => {
    if (provider.probing === undefined) return;
    const stop = new AbortController();
    const cancelTimer = clock.after(timeoutMs, () => {
      stop.abort(new ChatError("TIMEOUT", `provider ${provider.name} did not answer a probe within ${timeoutMs} ms`));
    });
    let result: readonly [error: ChatError | undefined, models: readonly string[] | undefined];
    try {
      result = [undefined, await provider.probing.probe(stop.signal)];
    } catch (thrown) {
      result = [chatErrorFrom(thrown), undefined];
    } finally {
      cancelTimer();
    }
    if (!stopped) onResult(provider.name, ...result);
  };
  const round = async (): Promise<void> => {
    try {
      await Promise.all(providers().map((provider) => ask(provider).catch(onBug)));
    } catch (bug) {
      onBug(bug);
    }
  };
  const next = (): void => {
    if (stopped) return;
    // `round` never rejects: what went wrong in it was told, and the next one comes.
    void round().then(() => {
      if (!stopped) cancel = clock.after(intervalMs, next);
    });
  };
  next();
  return {
    round,
    stop() {
      stopped = true;
      cancel?.();
    },
  };
}
