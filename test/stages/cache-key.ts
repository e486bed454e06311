import type { CacheKey } from "../../src/core/cache.ts";
import type { Key } from "../../src/core/call.ts";
import type { Batch, CallRequest } from "../../src/core/chat.ts";
import { recall } from "../../src/stages/recall.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { callOf, createTape, readAll, streamOf, whole } from "./support.ts";

/** The key a request is looked up, or failing that kept, by. */
export async function keyOf(request: CallRequest, caller: Partial<Key> = {}): Promise<CacheKey | undefined> {
  let key: CacheKey | undefined;
  const cache = {
    find: (asked: CacheKey) => ((key = asked), Promise.resolve(undefined)),
    keep: (kept: CacheKey) => (key = kept),
  };
  const room = recall({ cache, mode: () => "all", clock: createFakeClock(), sparing: () => false })(() => {
    const tape = createTape<Batch>();
    tape.push([whole("Hello")]);
    tape.end();
    return Promise.resolve(streamOf(tape));
  });
  const call = callOf(request);
  await readAll((await room({ ...call, key: { ...call.key, ...caller } })).batches);
  return key;
}
