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
}

/** Active health by the unbilled list call. */
export interface Prober {
  /** Asks everyone once, now. */
  round(): Promise<void>;
  stop(): void;
}

/** Asks at once and then at the interval; a round that is still on is not overtaken. */
export function startProber({ clock, intervalMs, timeoutMs, providers, onResult }: ProberOptions): Prober {
  let cancel: (() => void) | undefined;
  let stopped = false;
  const ask = async (provider: Provider): Promise<void> => {
    if (provider.probing === undefined) return;
    const stop = new AbortController();
    const cancelTimer = clock.after(timeoutMs, () => {
      stop.abort(new ChatError("TIMEOUT", `provider ${provider.name} did not answer a probe within ${timeoutMs} ms`));
    });
    try {
      const models = await provider.probing.probe(stop.signal);
      if (!stopped) onResult(provider.name, undefined, models);
    } catch (thrown) {
      if (!stopped) onResult(provider.name, chatErrorFrom(thrown), undefined);
    } finally {
      cancelTimer();
    }
  };
  const round = async (): Promise<void> => {
    await Promise.all(providers().map(ask));
  };
  const next = (): void => {
    if (stopped) return;
    // `round` rejects for nobody: each probe's failure is a result.
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
