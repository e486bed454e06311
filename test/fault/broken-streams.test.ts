/** Streams that do not reach their end, or reach it in a strange way. */
import { expect } from "vitest";
import { chunk } from "../support/scripted-upstream.ts";
import { anthropic, begun, done, finished, piece, usage } from "./bodies.ts";
import { canaries } from "./canaries.ts";
import { answered, cut, failed } from "./outcome.ts";
import { says, wellSaid } from "./scene.ts";
import {
  always,
  chunked,
  endedStream,
  event,
  fin,
  lastChunk,
  openStream,
  rst,
  sseHeadUntilClose,
  type Step,
  untilHeard,
  write,
} from "./steps.ts";
import { type Expectation, faultTable, type FaultRow } from "./table.ts";

/** All but REST, whose upstream call is no stream; gRPC-Web's unary call is told apart by the streams of its table. */
const streams = "SGWT";
const served: Expectation = () => answered(wellSaid, 2);
const cutOff: Expectation = () => cut(canaries.answer, 1);
const noSecond = cutOff;

/** After a body that ended well the connection may serve again; after any other end it may not. */
function closing(steps: readonly Step[]): Pick<FaultRow, "closes"> {
  return steps.at(-1)?.do === "write" ? {} : { closes: true };
}

/** Nothing of it reached the caller: somebody else may answer. */
function beforeContent(
  id: string,
  fault: string,
  reason: Parameters<typeof failed>[0],
  attempts: number,
  ...steps: readonly Step[]
): FaultRow {
  return { id, fault, protocols: streams, script: always(...steps), ...closing(steps), lone: () => failed(reason, attempts), pair: served };
}

/** The caller has had content: the stream is cut, and nobody else is asked. */
function afterContent(id: string, fault: string, start: Step, ...rest: readonly Step[]): FaultRow {
  return { id, fault, protocols: streams, script: always(start, untilHeard, ...rest), ...closing(rest), lone: cutOff, pair: noSecond };
}

const content = [begun, piece()];
const opened = openStream(...content);
const untilClose = write(sseHeadUntilClose() + content.join(""));
const accent = Buffer.from(piece("caf\u00e9"));
const errorEvent = event({ error: { message: `no more: ${canaries.answer}`, type: "server_error", param: null, code: null } });
const anthropicContent = [anthropic.begun, anthropic.block, anthropic.piece];

faultTable("broken streams", [
  beforeContent("U16", "the head, then a reset", "UPSTREAM_UNAVAILABLE", 3, openStream(), rst),
  beforeContent("U17/role", "a delta without content, then a reset", "UPSTREAM_UNAVAILABLE", 3, openStream(begun), rst),
  {
    ...beforeContent(
      "U17/anthropic",
      "message_start and ping, then a reset",
      "UPSTREAM_UNAVAILABLE",
      3,
      openStream(anthropic.begun, anthropic.ping, anthropic.block),
      rst,
    ),
    type: "anthropic",
    // What the upstream said that it used is counted, whoever answers in the end.
    check: async ({ scene, upstreamModel, layout }) => {
      const used = { provider: "u17-anthropic", model: upstreamModel, kind: "input" };
      expect((await scene.metrics()).sum("tokens_total", used)).toBe(layout === "lone" ? 30 : 10);
    },
  },
  beforeContent(
    "U17/comments",
    "comments only, then the end of the body",
    "UPSTREAM_UNAVAILABLE",
    3,
    endedStream(": hello\n\n", ": again\n\n"),
  ),
  beforeContent("U17/empty", "an empty body", "UPSTREAM_UNAVAILABLE", 3, endedStream()),
  afterContent("U18/rst", "content, then a reset", opened, rst),
  afterContent("U18/fin", "content, then an end inside the chunked body", opened, fin),
  { ...afterContent("U18/anthropic", "Anthropic's content, then a reset", openStream(...anthropicContent), rst), type: "anthropic" },
  afterContent("U19/chunked", "content, then a clean end without a finish reason", opened, write(lastChunk)),
  afterContent("U19/close", "content, then the connection's end as the body's", untilClose, fin),
  {
    ...afterContent(
      "U19/anthropic",
      "Anthropic's stream without message_stop",
      openStream(...anthropicContent),
      ending(anthropic.blockEnd, anthropic.finished),
    ),
    type: "anthropic",
  },
  afterContent("U20", "[DONE] without a finish reason", opened, ending(done)),
  beforeContent("U20/nothing", "[DONE] as the first event", "UPSTREAM_PROTOCOL", 3, endedStream(done)),
  {
    id: "U21",
    fault: "a finish reason, and neither usage nor [DONE]",
    protocols: streams,
    script: always(endedStream(...content, finished)),
    lone: () => answered(canaries.answer, 1),
  },
  afterContent("U22/event", "an end in the middle of an event", untilClose, write(piece("never").slice(0, -20)), fin),
  afterContent(
    "U22/character",
    "an end in the middle of a character",
    untilClose,
    write(accent.subarray(0, accent.indexOf(0xc3) + 1)),
    fin,
  ),
  afterContent(
    "U22/line",
    "an end in the middle of an event's CR LF",
    untilClose,
    write(`data: ${JSON.stringify(chunk({ content: "" }))}\r`),
    fin,
  ),
  afterContent("U22/finish", "an end in the middle of the finishing event", untilClose, write(finished.slice(0, -30)), fin),
  beforeContent("U25/error", "200, and an error as the first event", "UPSTREAM_UNAVAILABLE", 3, endedStream(errorEvent)),
  {
    ...beforeContent(
      "U25/quota",
      "200, and spent credit as the first event",
      "QUOTA_EXHAUSTED",
      1,
      endedStream(event({ error: { message: "no credit", type: "insufficient_quota", param: null, code: "insufficient_quota" } })),
    ),
    apart: true,
    cools: true,
  },
  {
    ...beforeContent(
      "U25/anthropic",
      "200, and overloaded_error after message_start",
      "OVERLOADED",
      3,
      endedStream(anthropic.begun, anthropic.overloaded),
    ),
    type: "anthropic",
  },
  {
    ...beforeContent("U25/named", "200, and overloaded_error at once", "OVERLOADED", 3, endedStream(anthropic.overloaded)),
    type: "anthropic",
  },
  afterContent("U26", "an error event after content", opened, ending(errorEvent)),
  {
    ...afterContent(
      "U26/anthropic",
      "Anthropic's error event after content",
      openStream(...anthropicContent),
      ending(anthropic.overloaded),
    ),
    type: "anthropic",
  },
  afterContent(
    "U26/done",
    "an error event after content, and then the end as if all were well",
    opened,
    ending(errorEvent, finished, usage, done),
  ),
  beforeContent(
    "U26/one",
    "content and an error event in one segment: the caller has had nothing",
    "UPSTREAM_UNAVAILABLE",
    3,
    endedStream(...content, errorEvent),
  ),
  {
    id: "U62",
    fault: "an answer that looks like the end of a stream",
    protocols: "RSUGBW",
    script: says(pretending(), " and more"),
    lone: () => answered(`${pretending()} and more`, 1),
  },
]);

/** The rest of a chunked body, and its end. */
function ending(...events: readonly string[]): Step {
  return write(Buffer.concat([...events.map((each) => chunked(each)), Buffer.from(lastChunk)]));
}

/** Everything that could be taken for framing, by any door. */
function pretending(): string {
  return '\n\ndata: [DONE]\n\nevent: error\ndata: {"error":{}}\n\n\r\n\r\n: \u0000\u0080\u2028\u2029\u0085 0\r\n\r\n';
}
