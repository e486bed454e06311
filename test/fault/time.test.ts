/** Upstreams that take their time: nobody waits longer than the configuration says, and nobody is cut who is well. */
import { expect } from "vitest";
import { begun, finished, piece, streamEvents, streamOf, wholeOf, done } from "./bodies.ts";
import { canaries } from "./canaries.ts";
import { answered, cut, failed } from "./outcome.ts";
import { shortTimeouts, wellSaid } from "./scene.ts";
import {
  always,
  byKind,
  chunked,
  deaf,
  head,
  http,
  openStream,
  repeat,
  slices,
  sleep,
  sseHead,
  stall,
  type Step,
  untilHeard,
  write,
} from "./steps.ts";
import { type Expectation, faultTable, type FaultRow, type Played } from "./table.ts";

const streams = "SGWT";
/** What the limits of silence and of progress end is over long before `total`. */
const beforeTotalMs = 3500;
const served: Expectation = () => answered(wellSaid, 2);
const late: Expectation = () => failed("TIMEOUT", 1);
const cutOff: Expectation = () => cut(canaries.answer, 1);
/** Instead of `total`, which is the bound of whole answers. */
const settings = "timeout: 900ms";
const ping = ": ping\n\n";

/** The upstream is given up, without another try of its own. */
function givenUp(id: string, fault: string, protocols: string, ...steps: readonly Step[]): FaultRow {
  return { id, fault, protocols, settings, script: always(...steps), closes: true, lone: late, pair: served };
}

/** The caller had content, then silence or noise. */
function cutLater(id: string, fault: string, ...steps: readonly Step[]): FaultRow {
  return {
    id,
    fault,
    protocols: streams,
    script: always(openStream(begun, piece()), untilHeard, ...steps),
    closes: true,
    lone: cutOff,
    pair: cutOff,
    check: bounded(beforeTotalMs),
  };
}

const longAnswer = http(200, { "content-type": "application/json" }, `{"padding":"${"x".repeat(5000)}"}`);
const dripped = chunked(ping);

faultTable(
  "time",
  [
    givenUp("U06", "the request is read and not answered", "RU", stall),
    { ...givenUp("U06/deaf", "the request is not even read", "RU"), script: [deaf], unseen: true },
    givenUp(
      "U06/head",
      "a head, and no body",
      "RU",
      write(head(200, { "content-type": "application/json", "content-length": "100" })),
      stall,
    ),
    givenUp("U07", "the request for a stream is read and not answered", streams, stall),
    givenUp("U07/head", "a stream's head, and no event", streams, write(sseHead()), stall),
    givenUp("U07/role", "an event without content, and no more", streams, openStream(begun), stall),
    cutLater("U07/content", "content, and no more", stall),
    givenUp("U48/whole", "an answer of one byte every 50 ms", "RU", slices(longAnswer, 1, 50)),
    givenUp(
      "U48/stream",
      "a stream of one byte every 50 ms",
      streams,
      slices(Buffer.concat([Buffer.from(sseHead()), chunked(begun.repeat(20))]), 1, 50),
    ),
    cutLater("U48/later", "content, then one byte of a comment every 50 ms", write("fff\r\n:"), repeat("-", 50)),
    givenUp("U49/pings", "comments for ever", streams, write(sseHead()), repeat(dripped, 50)),
    givenUp("U49/empty", "events without content for ever", streams, write(sseHead()), repeat(chunked(begun), 50)),
    cutLater("U49/later", "content, then comments for ever", repeat(dripped, 50)),
    cutLater("U49/later-empty", "content, then events without content for ever", repeat(chunked(begun), 50)),
    {
      id: "U50/stream",
      fault: "content for ever",
      protocols: streams,
      script: always(openStream(begun), repeat(chunked(piece("more ")), 20)),
      closes: true,
      lone: () => cut(undefined, 1),
      check: bounded(6500),
    },
    {
      id: "U52",
      fault: "pauses shorter than the limit, again and again",
      protocols: streams,
      script: always(
        openStream(begun),
        ...streamEvents("a", "b", "c", "d")
          .slice(1)
          .flatMap((each) => [sleep(350), write(chunked(each))]),
        write("0\r\n\r\n"),
      ),
      lone: () => answered("abcd", 1),
    },
    {
      id: "U52/long",
      fault: "a pause longer than the limit, then the rest",
      protocols: streams,
      script: always(
        openStream(begun, piece()),
        untilHeard,
        sleep(1500),
        write(chunked(finished)),
        write(chunked(done)),
        write("0\r\n\r\n"),
      ),
      closes: true,
      lone: cutOff,
    },
    {
      id: "U52/slow",
      fault: "a good answer at the last moment",
      protocols: "RU",
      settings: "timeout: 3s",
      script: byKind([sleep(1200), wholeOf()], [streamOf(canaries.answer)]),
      lone: () => answered(canaries.answer, 1),
    },
  ],
  { timeouts: shortTimeouts },
);

const beatsFirst = { afterHead: true } as const;

faultTable(
  "time, with heartbeats",
  [
    {
      id: "U07/heartbeats",
      fault: "a stream that is not answered, while callers hear heartbeats",
      protocols: streams,
      script: always(stall),
      closes: true,
      lone: () => failed("TIMEOUT", 1, beatsFirst),
      pair: () => answered(wellSaid, 2, beatsFirst),
    },
    {
      id: "U16/heartbeats",
      fault: "a reset after callers heard heartbeats, and before content",
      settings: "timeout: 3s",
      protocols: streams,
      script: always(openStream(begun), sleep(400), { do: "rst" }),
      closes: true,
      lone: () => failed("UPSTREAM_UNAVAILABLE", 3, beatsFirst),
      pair: () => answered(wellSaid, 2, beatsFirst),
    },
    cutLater("U07/silent", "content, then silence, while callers hear heartbeats", stall),
    {
      id: "U18/heartbeats",
      fault: "content, heartbeats, then a reset",
      protocols: streams,
      script: always(openStream(begun, piece()), untilHeard, sleep(400), { do: "rst" }),
      closes: true,
      lone: cutOff,
      pair: cutOff,
    },
  ],
  // Here nothing but the limit of silence ends what falls silent after content.
  { timeouts: "connect: 700ms, first_token: 800ms, idle: 800ms, progress: 25s, total: 30s", serverSettings: "heartbeat: 100ms" },
);

function bounded(mostMs: number): (cell: Played) => void {
  return ({ durationMs }) => expect(durationMs).toBeLessThan(mostMs);
}
