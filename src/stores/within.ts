import type { Clock } from "../core/clock.ts";

/** The answer, if it comes in time; else rejects. What comes later is not looked at. */
export async function within<T>(clock: Clock, ms: number, answer: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const cancel = clock.after(ms, () => late.reject(new Error(`no answer within ${ms} ms`)));
  try {
    return await Promise.race([answer, late.promise]);
  } finally {
    cancel();
  }
}
