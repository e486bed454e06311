/** Makes today's API the one that later changes must stay compatible with. For releases only. */
import { run } from "./run.ts";

await run("buf", ["build", "proto", "-o", "tools/released-api.binpb"]);
