/** Connections and whole answers that break off, and answers that are no HTTP. */
import { completion } from "../support/scripted-upstream.ts";
import { streamOf, wholeOf } from "./bodies.ts";
import { canaries } from "./canaries.ts";
import { answered, failed } from "./outcome.ts";
import { wellSaid } from "./scene.ts";
import { always, byKind, fin, head, http, json, repeat, rst, type Step, write } from "./steps.ts";
import { type Expectation, faultTable, type FaultRow } from "./table.ts";

const served: Expectation = () => answered(wellSaid, 2);
const down: Expectation = () => failed("UPSTREAM_UNAVAILABLE", 3);
const garbage: Expectation = () => failed("UPSTREAM_PROTOCOL", 3);
const good = json(completion(canaries.answer));

/** An answer that is not usable. */
function spoilt(id: string, fault: string, ...steps: readonly Step[]): FaultRow {
  return { id, fault, script: always(...steps), closes: true, lone: garbage, pair: served };
}

const jsonType = { "content-type": "application/json" };
const manyHeaders = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`x-header-${i}`, "1"]));

faultTable("broken off", [
  { id: "U08", fault: "reset right after the request", script: always(rst), closes: true, lone: down, pair: served },
  spoilt("U10/status", "end in the middle of the status line", write("HTTP/1.1 20"), fin),
  spoilt("U10/headers", "end in the middle of the headers", write("HTTP/1.1 200 OK\r\ncontent-type: appl"), fin),
  spoilt("U11/words", "words instead of HTTP", write("hello, this is no HTTP\r\n\r\n"), fin),
  spoilt("U11/http09", "HTTP/0.9", write(JSON.stringify(completion(canaries.answer))), fin),
  spoilt(
    "U11/chunk",
    "a chunk size that is no number",
    write(`${head(200, { ...jsonType, "transfer-encoding": "chunked" })}xyz\r\n{}\r\n0\r\n\r\n`),
    fin,
  ),
  spoilt(
    "U11/both",
    "content-length and transfer-encoding",
    write(http(200, { ...jsonType, "transfer-encoding": "chunked" }, "0\r\n\r\n")),
    fin,
  ),
  spoilt("U11/negative", "a negative content-length", write(http(200, { ...jsonType, "content-length": "-5" }, "{}")), fin),
  {
    id: "U12",
    fault: "100, 102 and 103, then a good answer",
    script: byKind(
      [write("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"), wholeOf()],
      [write("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"), streamOf(canaries.answer)],
    ),
    lone: () => answered(canaries.answer, 1),
  },
  // undici, like every HTTP client that did not send `expect`, takes an unasked-for 100 as a broken answer.
  spoilt("U13/size", "headers of 64 KiB", write(http(200, { ...jsonType, "x-large": "x".repeat(64 * 1024) }, "{}"))),
  spoilt("U13/count", "10,000 headers", write(http(200, { ...jsonType, ...manyHeaders }, "{}"))),
  spoilt("U13/endless", "headers without an end", write("HTTP/1.1 200 OK\r\n"), repeat(`x-more: ${"x".repeat(1000)}\r\n`)),
  {
    id: "U13/proto",
    fault: "headers called __proto__ and constructor",
    script: byKind(
      [write(http(200, { ...jsonType, ["__proto__x"]: "1", constructor: "1" }, JSON.stringify(completion(canaries.answer))))],
      [streamOf(canaries.answer)],
    ),
    lone: () => answered(canaries.answer, 1),
  },
  { ...spoilt("U14/fin", "end in the middle of a JSON body", write(good.subarray(0, good.length - 40)), fin), protocols: "RU" },
  { ...spoilt("U14/rst", "reset in the middle of a JSON body", write(good.subarray(0, good.length - 40)), rst), protocols: "RU" },
  {
    ...spoilt(
      "U15/shorter",
      "a body shorter than its content-length",
      write(http(200, { ...jsonType, "content-length": "9999" }, JSON.stringify(completion(canaries.answer)))),
      fin,
    ),
    protocols: "RU",
  },
  {
    ...spoilt(
      "U15/longer",
      "a body longer than its content-length",
      write(http(200, { ...jsonType, "content-length": "40" }, JSON.stringify(completion(canaries.answer)))),
      fin,
    ),
    protocols: "RU",
  },
]);
