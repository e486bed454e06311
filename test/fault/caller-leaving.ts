/** K01: the phases of a call in which its caller may leave, as data. */
import { chunk, completion } from "../support/scripted-upstream.ts";
import { canaries } from "./canaries.ts";
import { always, byKind, errorJson, event, head, json, openStream, type Script, stall, write } from "./steps.ts";
import type { ScriptedUpstream } from "./upstream.ts";

/** What a loaded machine is granted for what the contract wants within 250 ms. */
export const grantedMs = 1500;

/** What is known of a call that is under way. */
export interface UnderWay {
  readonly upstream: ScriptedUpstream;
  /** Requests that the upstream has seen for the call's model. */
  readonly asked: number;
  /** Connections that were opened for this call. */
  readonly connections: number;
  /** What the caller has read. */
  readonly text: string;
  /** `provider_in_flight`, and `calls_in_flight` over all doors. */
  readonly working: number;
  readonly running: number;
  /** Sockets that wait for the black hole. */
  readonly waiting: number;
}

/** One phase. */
export interface Phase {
  /** The provider's name, too. */
  readonly name: string;
  /** In plain words, after "leaves". */
  readonly when: string;
  readonly script: Script;
  readonly settings?: string;
  /** Where the server calls the provider; undefined: the scripted upstream, by http. */
  readonly at?: "black hole" | "https";
  /** Another call has the provider's only slot. */
  readonly held?: true;
  /** No upstream works for the caller just now: there is nothing to close. */
  readonly idle?: true;
  /** Only calls of this kind have such a phase. */
  readonly only?: "whole" | "streamed";
  /** Of the question: 0 has the call share what it asks for with equal ones. */
  readonly temperature?: number;
  /** Attempts in the call's line. */
  readonly attempts: number;
  /** The line tells tokens: content had been sent. */
  readonly usage?: true;
  /** The caller is in the phase now. */
  readonly isThere: (call: UnderWay) => boolean;
}

const begun = event(chunk({ role: "assistant", content: "" }));
const wholeAnswer = json(completion(canaries.answer));
/** What the caller reads before it leaves in the middle. */
export const half = "half of it";

/** Seven phases; the third in the two ways in which connecting can take its time, the fourth with and without a flight. */
export const phases: readonly Phase[] = [
  {
    name: "queued",
    when: "while queued for a slot",
    script: always(stall),
    settings: "max_concurrent: 1",
    held: true,
    idle: true,
    attempts: 0,
    isThere: ({ running }) => running === 2,
  },
  {
    name: "pausing",
    idle: true,
    when: "in the pause before another attempt",
    script: always(write(errorJson(429, {}, { "retry-after-ms": "4500" }))),
    attempts: 1,
    isThere: ({ asked, working, running }) => asked === 1 && working === 0 && running === 1,
  },
  {
    name: "connecting",
    when: "while a SYN is unanswered",
    script: [],
    at: "black hole",
    attempts: 1,
    isThere: ({ waiting }) => waiting > 0,
  },
  {
    name: "handshaking",
    when: "during the TLS handshake",
    script: [stall],
    at: "https",
    attempts: 1,
    isThere: ({ connections }) => connections > 0,
  },
  {
    name: "unanswered",
    when: "before the upstream's head",
    script: always(stall),
    attempts: 1,
    isThere: ({ asked }) => asked === 1,
  },
  {
    name: "sharing",
    when: "before the head of an upstream that equal calls would share",
    script: always(stall),
    temperature: 0,
    attempts: 1,
    isThere: ({ asked }) => asked === 1,
  },
  {
    name: "empty",
    when: "before the first content",
    script: byKind([write(head(200, { "content-type": "application/json", "content-length": "300" })), stall], [openStream(begun), stall]),
    attempts: 1,
    isThere: ({ upstream }) => (upstream.connections.at(-1)?.bytesWritten ?? 0) > 0,
  },
  {
    name: "streaming",
    when: "in the middle of a stream",
    script: always(openStream(begun, event(chunk({ content: half }))), stall),
    only: "streamed",
    attempts: 1,
    usage: true,
    isThere: ({ text }) => text === half,
  },
  {
    name: "reading",
    when: "in the middle of a whole answer's body",
    script: always(write(wholeAnswer.subarray(0, wholeAnswer.length - 40)), stall),
    only: "whole",
    attempts: 1,
    isThere: ({ upstream }) => (upstream.connections.at(-1)?.bytesWritten ?? 0) > 0,
  },
];
