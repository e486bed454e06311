import { direct, portkey, reference, semaroute } from "./contenders.ts";
import type { Contender } from "./contenders.ts";
import { contentEvents } from "./fixtures.ts";
import type { Load } from "./load/words.ts";
import type { Mode } from "./upstream.ts";

/** What the cases have in common. */
interface Common {
  /** As in `--case`. */
  readonly id: string;
  /** What is measured, for the report. */
  readonly title: string;
  /** The first is the reference that the others are compared with. */
  readonly contenders: readonly [Contender, ...Contender[]];
}

/** A case that loads its contenders. */
export interface LoadCase extends Common {
  /** What is reported: CPU a unit under load, or the time to the first content of one call after the other. */
  readonly kind: "cpu" | "latency";
  /** How the upstream answers. */
  readonly upstream: Mode;
  readonly load: Omit<Load, "port" | "headers" | "headContains" | "seconds">;
  /** What the CPU is divided by: calls, or events of a stream. */
  readonly unit: "call" | "event";
  /** Units in one call. */
  readonly unitsPerCall: number;
}

/** A case that only starts its contenders and lets them idle. */
export interface IdleCase extends Common {
  readonly kind: "idle";
}

/** Anything the bench can run. */
export type Case = LoadCase | IdleCase;

const rest = { protocol: "rest", streamed: false, concurrency: 64, promptBytes: 0 } as const;
const sse = { ...rest, streamed: true, concurrency: 64 } as const;
const perCall = { unit: "call", unitsPerCall: 1 } as const;
const perEvent = { unit: "event", unitsPerCall: contentEvents } as const;

const relay = reference("bare relay (node:http + undici dispatch, parses both bodies)", "dispatch-relay.ts");
const bytes = reference("raw byte relay", "byte-relay.ts");

/** All cases, in the order they run. */
export const cases: readonly Case[] = [
  {
    id: "A",
    title: "REST unary, 64 connections",
    kind: "cpu",
    upstream: "unary",
    load: rest,
    ...perCall,
    contenders: [relay, semaroute(), portkey],
  },
  {
    id: "A1",
    title: "REST unary, one call after the other: added latency",
    kind: "latency",
    upstream: "unary",
    load: { ...rest, concurrency: 1 },
    ...perCall,
    contenders: [direct, relay, semaroute(), portkey],
  },
  {
    id: "A2",
    title: "REST unary, 300 KB prompt, 16 connections",
    kind: "cpu",
    upstream: "unary",
    load: { ...rest, concurrency: 16, promptBytes: 300_000 },
    ...perCall,
    contenders: [relay, semaroute()],
  },
  {
    id: "B",
    title: "SSE, 100 events one by one, 64 streams",
    kind: "cpu",
    upstream: "one",
    load: sse,
    ...perEvent,
    contenders: [bytes, semaroute(), portkey],
  },
  {
    id: "B10",
    title: "SSE, 100 events in bursts of ten, 64 streams",
    kind: "cpu",
    upstream: "burst",
    load: sse,
    ...perEvent,
    contenders: [bytes, semaroute(), portkey],
  },
  {
    id: "B1",
    title: "SSE, one stream after the other: added time to the first content",
    kind: "latency",
    upstream: "burst",
    load: { ...sse, concurrency: 1 },
    ...perCall,
    contenders: [direct, bytes, semaroute(), portkey],
  },
  {
    id: "C",
    title: "gRPC unary, 64 calls in flight on 8 connections",
    kind: "cpu",
    upstream: "unary",
    load: { ...rest, protocol: "grpc" },
    ...perCall,
    contenders: [reference("bare node:http2", "http2-grpc.ts"), semaroute(), reference("@grpc/grpc-js", "grpc-js.ts")],
  },
  {
    id: "E",
    title: "REST unary, cache hit, 64 connections",
    kind: "cpu",
    upstream: "unary",
    load: rest,
    ...perCall,
    contenders: [reference("node:http answering a constant", "constant.ts"), semaroute("semaroute", { cached: true })],
  },
  {
    id: "F",
    title: "REST unary, first target dead, breaker open",
    kind: "cpu",
    upstream: "unary",
    load: rest,
    ...perCall,
    contenders: [semaroute("semaroute, all targets alive"), semaroute("semaroute, first target dead", { deadFirst: true })],
  },
  {
    id: "GH",
    title: "Idle memory and time to ready",
    kind: "idle",
    contenders: [relay, semaroute("semaroute, built", { built: true }), semaroute("semaroute, from its sources"), portkey],
  },
];
