/** Builds what ships: `dist/`, plain ESM with declarations. */
import { rmSync } from "node:fs";
import { run } from "./run.ts";

rmSync("dist", { recursive: true, force: true });
await run("tsc", ["-p", "tsconfig.build.json"]);
