import type { Loaded } from "./config/load.ts";
import { watchFile } from "./config/watch.ts";
import type { Clock } from "./core/clock.ts";
import type { Log } from "./telemetry/log.ts";

/** Reloads when the configuration file has changed, where there is one. Resolves, once it watches, with what ends it. */
export async function watchConfiguration(
  { path, revision }: Loaded,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
  reload: () => Promise<unknown>,
): Promise<() => Promise<void>> {
  if (path === undefined) return () => Promise.resolve();
  const onError = (): void => log.warn({ path }, "watching the configuration file failed");
  return watchFile({ path, revision, clock, onError }, () => void reload());
}
