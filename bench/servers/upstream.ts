// The upstream in a process of its own. Usage: node upstream.ts PORT unary|one|burst
import { unpaced } from "../lockstep.ts";
import { createUpstream } from "../upstream.ts";

const [port, mode] = process.argv.slice(2);
if (mode !== "unary" && mode !== "one" && mode !== "burst") throw new Error("usage: node upstream.ts PORT unary|one|burst");
createUpstream(mode, unpaced).listen(Number(port), "127.0.0.1");
