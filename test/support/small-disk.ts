/** A disk of a test's own, that can be filled up and given room again: a small file system in memory. */
import { spawnSync } from "node:child_process";
import { chmodSync, closeSync, mkdtempSync, openSync, rmSync, rmdirSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** One of them. */
export interface SmallDisk extends Disposable {
  readonly folder: string;
  /** Takes all the room there is. */
  fill(): void;
  /** Gives it back. */
  free(): void;
}

/** Why there is none here; undefined: there is. */
export const noSmallDisk = ((): string | undefined => {
  if (process.getuid?.() !== 0) return "only root may mount a disk for tests";
  const folder = mkdtempSync(join(tmpdir(), "semaroute-disk-"));
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k", "semaroute-test", folder]).status === 0;
  if (mounted) spawnSync("umount", [folder]);
  rmdirSync(folder);
  return mounted ? undefined : "no disk can be mounted here for tests";
})();

/** Mounts one of this size, such as `8m`. */
export function mountSmallDisk(size: string): SmallDisk {
  const folder = mkdtempSync(join(tmpdir(), "semaroute-disk-"));
  const { status, stderr } = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "semaroute-test", folder]);
  if (status !== 0) throw new Error(`no disk was mounted: ${stderr.toString()}`);
  chmodSync(folder, 0o777);
  const filler = join(folder, "filler");
  return {
    folder,
    fill() {
      const file = openSync(filler, "a");
      try {
        for (let bytes = 65_536; bytes >= 1; bytes = bytes === 1 ? 0 : bytes >> 2) {
          const block = Buffer.alloc(bytes);
          while (isWritten(file, block));
        }
      } finally {
        closeSync(file);
      }
    },
    free: () => rmSync(filler, { force: true }),
    [Symbol.dispose]() {
      // Lazily: whoever has a file open in it may end a moment later.
      spawnSync("umount", ["-l", folder]);
      rmdirSync(folder);
    },
  };
}

function isWritten(file: number, block: Uint8Array): boolean {
  try {
    return writeSync(file, block) === block.length;
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOSPC") return false;
    throw thrown;
  }
}
