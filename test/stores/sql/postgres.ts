import { systemClock } from "../../../src/stores/system-clock.ts";
import { createMemoryJournal } from "../../../src/stores/sql/journal.ts";
import { openPostgresStore, type PostgresOptions } from "../../../src/stores/sql/postgres-store.ts";
import type { Store } from "../../../src/core/store.ts";

/** A store at a URL that nobody hears of. */
export function openPostgres({ url, ...rest }: Partial<PostgresOptions> & { readonly url: string }): Promise<Store> {
  return openPostgresStore({
    url,
    clock: systemClock,
    random: Math.random,
    journal: createMemoryJournal(),
    onAway: () => {},
    onBack: () => {},
    onUnable: () => {},
    onAble: () => {},
    onRefused: () => {},
    onLost: () => {},
    ...rest,
  });
}
