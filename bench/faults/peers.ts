/**
 * `npm run faults:peers`: the same scripted faults to semaroute and to another gateway, byte for byte, and what a caller sees
 * of them. Prints the table of docs/faults.md.
 */
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { always, type Script, stall } from "../../test/fault/steps.ts";
import { createScriptedUpstream } from "../../test/fault/upstream.ts";
import { freePort, pause, stop } from "../processes.ts";
import { type Gateway, type Peer, portkey, secret, semaroute } from "./gateways.ts";
import { ask, judged, prompt } from "./observe.ts";
import { healthy, type Kind, leaving, type PeerRow, peerRows, type Right } from "./rows.ts";

const peers: readonly Peer[] = [semaroute, portkey];
/** A caller who left stops the upstream within that time, or never will. */
const cancelMs = 3000;

/** `--only PATTERN`: some rows. */
const only = new RegExp(parseArgs({ options: { only: { type: "string", default: "" } } }).values.only);

const folder = await mkdtemp(join(tmpdir(), "semaroute-faults-"));
const trap = await createScriptedUpstream(always(stall));
const right = new Map<string, number>();
let judgements = 0;

const mark = (peer: Peer, isRight: boolean, words: string): string => {
  if (isRight) right.set(peer.name, (right.get(peer.name) ?? 0) + 1);
  return `${isRight ? "✓" : "✗"} ${words}`;
};

console.log(`| the upstream's fault | asked for | layout | ${peers.map(({ name }) => name).join(" | ")} |`);
console.log(`|---|---|---|${peers.map(() => "---|").join("")}`);
for (const row of peerRows(trap.port).filter(({ fault }) => only.test(fault))) {
  for (const kind of row.kinds) {
    for (const layout of ["alone", "with a healthy one"] as const) {
      judgements += 1;
      const cells: string[] = [];
      for (const peer of peers) cells.push(await played(peer, row, kind, layout === "alone" ? row.lone : row.pair, layout === "alone"));
      console.log(`| ${row.fault} | ${kind} | ${layout} | ${cells.join(" | ")} |`);
    }
  }
}
for (const { phase, script, kinds } of leaving.filter((each) => only.test(each.phase))) {
  for (const kind of kinds) {
    judgements += 1;
    const cells: string[] = [];
    for (const peer of peers) cells.push(await left(peer, script, kind));
    console.log(`| ${phase} | ${kind} | alone | ${cells.join(" | ")} |`);
  }
}
console.log(`\n${peers.map(({ name }) => `${name}: ${right.get(name) ?? 0} of ${judgements} right`).join("; ")}`);
await trap[Symbol.asyncDispose]();

/** One cell: fresh upstreams and a fresh gateway, so that nothing learned from one fault helps or hurts at the next. */
async function played(peer: Peer, row: PeerRow, kind: Kind, wanted: Right, alone: boolean): Promise<string> {
  await using faulty = row.script && (await createScriptedUpstream(row.script));
  await using second = await createScriptedUpstream(healthy);
  const first = faulty?.port ?? (await freePort());
  return await withGateway(peer, alone ? [first] : [first, second.port], async (gateway) => {
    const before = trap.requests.length;
    const { isRight, words } = judged(await ask(gateway, kind), wanted);
    // What the other host heard in this cell.
    const heard = trap.requests.slice(before).map(({ head, body }) => head + body);
    const leaked = [secret, prompt].find((text) => heard.some((each) => each.includes(text)));
    const what =
      leaked === secret ? ", and the key went to the other host" : leaked === undefined ? "" : ", and the prompt went to the other host";
    return mark(peer, isRight && leaked === undefined, words + what);
  });
}

async function left(peer: Peer, script: Script, kind: Kind): Promise<string> {
  await using upstream = await createScriptedUpstream(script);
  return await withGateway(peer, [upstream.port], async (gateway) => {
    const leaver = new AbortController();
    const asking = ask(gateway, kind, leaver.signal);
    while (upstream.requests.length === 0) await pause(5);
    await pause(200);
    leaver.abort();
    const leftMs = performance.now();
    await asking;
    const closedMs = (): number | undefined => upstream.requests[0]?.connection.closedMs;
    while (closedMs() === undefined && performance.now() - leftMs < cancelMs) await pause(5);
    const tookMs = (closedMs() ?? Number.POSITIVE_INFINITY) - leftMs;
    const words = Number.isFinite(tookMs) ? `upstream closed after ${Math.max(0, Math.round(tookMs))} ms` : "upstream never closed";
    return mark(peer, tookMs <= 250, words);
  });
}

async function withGateway(peer: Peer, ports: readonly number[], play: (gateway: Gateway) => Promise<string>): Promise<string> {
  const gateway = await peer.start(ports, folder);
  try {
    return await play(gateway);
  } finally {
    await stop(gateway.child);
  }
}
