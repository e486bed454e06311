import { hash } from "node:crypto";

/** A script that Redis runs as one command. */
export interface RedisScript {
  readonly lua: string;
  /** What a server that knows the script knows it by. */
  readonly sha: string;
  readonly keys: number;
  /** Whether it changes anything. */
  readonly writes: boolean;
}

/** A script of `keys` keys, which in a cluster must have one hash tag. */
export function redisScript(keys: number, writes: boolean, lua: string): RedisScript {
  return { lua, sha: hash("sha1", lua), keys, writes };
}
