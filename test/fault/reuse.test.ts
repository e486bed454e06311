/** Connections that serve more than one request, and what an earlier one may leave behind in them. */
import { expect } from "vitest";
import { completion } from "../support/scripted-upstream.ts";
import { streamEvents, streamOf, wholeOf } from "./bodies.ts";
import { canaries } from "./canaries.ts";
import { answered, failed } from "./outcome.ts";
import { wellSaid } from "./scene.ts";
import { answer, answerEarly, chunked, deaf, errorJson, fin, head, json, rst, type Script, sleep, type Step, write } from "./steps.ts";
import { faultTable, type FaultRow } from "./table.ts";

const good = (streamed: boolean): Step => (streamed ? streamOf(canaries.answer) : wholeOf());
const stolen = json(completion("an answer to nobody's question"));

/** A first call that must be served, and after it the one that is looked at. */
function afterOne(row: Omit<FaultRow, "before" | "lone">, attempts = 1): FaultRow {
  return {
    ...row,
    before: async ({ ask }) => {
      const end = await ask();
      expect("text" in end && end.text, JSON.stringify(end)).toBe(canaries.answer);
      // Lets what the upstream does after its answer arrive.
      await new Promise((resolve) => {
        setTimeout(resolve, 60);
      });
    },
    lone: () => answered(canaries.answer, attempts),
  };
}

/** The second request must come by another connection than the first. */
const byAnother: FaultRow["check"] = ({ requests }) => {
  expect(requests).toHaveLength(2);
  expect(requests[1]?.connection.ordinal).not.toBe(requests[0]?.connection.ordinal);
};

/** The answer, then bytes that nobody asked for. */
function followedBy(bytes: Uint8Array): Script {
  return [answer(({ streamed }) => [good(streamed), write(bytes)])];
}

faultTable(
  "reuse",
  [
    afterOne({
      id: "U09/idle",
      fault: "the upstream closes an idle connection without a word",
      script: [answer(({ streamed }) => [good(streamed), fin])],
      check: byAnother,
    }),
    afterOne({
      id: "U09/reset",
      fault: "the upstream resets an idle connection",
      script: [answer(({ streamed }) => [good(streamed), rst])],
      check: byAnother,
    }),
    // The race that nobody can win: the request was under way when the upstream gave the connection up.
    afterOne({
      id: "U09/race-fin",
      fault: "an idle connection is closed as the next request arrives",
      script: [answer(({ streamed, ordinal }) => (ordinal === 1 ? [fin] : [good(streamed)]))],
      repeats: 1,
      check: ({ line }) => expect(line["tries"]).toBeUndefined(),
    }),
    // A reset is not how idle connections are closed: an attempt failed, and is repeated as any other.
    afterOne(
      {
        id: "U09/race-rst",
        fault: "an idle connection is reset as the next request arrives",
        script: [answer(({ streamed, ordinal }) => (ordinal === 1 ? [rst] : [good(streamed)]))],
      },
      2,
    ),
    afterOne({ id: "U53/whole", fault: "another answer follows the answer", script: followedBy(stolen), check: byAnother }),
    afterOne({ id: "U53/noise", fault: "noise follows the answer", script: followedBy(Buffer.from("\r\n\r\nnoise")), check: byAnother }),
    afterOne({
      id: "U53/later",
      fault: "another answer comes while the connection is idle",
      script: [answer(({ streamed }) => [good(streamed), sleep(20), write(stolen)])],
      check: byAnother,
    }),
    afterOne({
      id: "U53/close",
      fault: "connection: close, and the connection stays open",
      script: [answer(({ streamed }) => [closing(streamed), sleep(100)])],
      check: byAnother,
    }),
    afterOne({
      id: "U53/trailers",
      fault: "trailers after a chunked body",
      script: [answer(({ streamed }) => [trailing(streamed)])],
      check: ({ requests }) => expect(requests).toHaveLength(2),
    }),
    {
      id: "U54/413",
      fault: "a 413 before the request's body was read",
      protocols: "RS",
      script: [answerEarly(() => [write(errorJson(413, {}, { connection: "close" })), deaf])],
      question: { content: `${canaries.prompt} ${"x".repeat(6 * 1024 * 1024)}` },
      lone: () => failed("REQUEST_TOO_LARGE", 1),
      pair: () => answered(wellSaid, 2),
      check: unread,
    },
    {
      id: "U54/401",
      fault: "a 401 before the request's body was read",
      protocols: "RS",
      apart: true,
      cools: true,
      script: [answerEarly(() => [write(errorJson(401)), deaf])],
      question: { content: `${canaries.prompt} ${"x".repeat(6 * 1024 * 1024)}` },
      lone: () => failed("UPSTREAM_AUTH", 1),
      pair: () => answered(wellSaid, 2),
      check: unread,
    },
  ],
  { oneByOne: true },
);

/** No more of the body is sent than was under way. */
function unread({ requests }: { readonly requests: readonly { readonly connection: { readonly bytesRead: number } }[] }): void {
  expect(requests).toHaveLength(1);
  expect(requests[0]?.connection.bytesRead).toBeLessThan(5 * 1024 * 1024);
}

function closing(streamed: boolean): Step {
  if (!streamed) return write(json(completion(canaries.answer), 200, { connection: "close" }));
  const events = streamEvents(canaries.answer).map((each) => chunked(each));
  const start = head(200, { "content-type": "text/event-stream", "transfer-encoding": "chunked", connection: "close" });
  return write(Buffer.concat([Buffer.from(start), ...events, Buffer.from("0\r\n\r\n")]));
}

function trailing(streamed: boolean): Step {
  const body = streamed ? streamEvents(canaries.answer).join("") : JSON.stringify(completion(canaries.answer));
  const start = head(200, {
    "content-type": streamed ? "text/event-stream" : "application/json",
    "transfer-encoding": "chunked",
    trailer: "x-checksum",
  });
  return write(Buffer.concat([Buffer.from(start), chunked(body), Buffer.from("0\r\nx-checksum: 1\r\n\r\n")]));
}
