/**
 * The table of upstream faults made into tests: fault × protocol × layout, one test a cell.
 *
 *   faultTable("answers that break off", [
 *     {
 *       id: "U14",
 *       fault: "reset in the middle of a JSON body",
 *       protocols: "RU",
 *       script: always(write(json(completion("hello")).subarray(0, 120)), rst),
 *       lone: () => failed("UPSTREAM_UNAVAILABLE", 3),
 *       pair: () => answered(wellSaid, 2),
 *     },
 *   ]);
 */
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type DoorClient, type Question, Refused } from "../e2e/doors.ts";
import { tracked, until } from "../e2e/scene.ts";
import type { LogLine } from "../support/server.ts";
import { canaries, expectNoCanary } from "./canaries.ts";
import { allProtocols, type Cell, doorsOf, type Layout, titleOf } from "./cells.ts";
import { type End, endOf, type Expected, expectEnd, outcomes, reasonOf } from "./outcome.ts";
import { createFaultScene, expectAllClean, type FaultScene, type FaultSceneOptions, type FaultyProvider } from "./scene.ts";
import type { ScriptedUpstream, SeenRequest } from "./upstream.ts";

/** A cell that cannot be played, and why. */
export interface Skipped {
  readonly skip: string;
}

/** What must come of a cell. */
export type Expectation = (door: DoorClient) => Expected | Skipped;

/** One fault of an upstream. */
export interface FaultRow extends Partial<Pick<FaultyProvider, "script" | "settings" | "type" | "tls" | "baseUrl" | "apart">> {
  /** `U17`, or `U45/503` for one of several shapes of a fault. */
  readonly id: string;
  /** What goes wrong, in plain words. */
  readonly fault: string;
  /** Letters of the catalogue: R S U G B W. Default: all. */
  readonly protocols?: string;
  /** The faulty upstream is the only one. Undefined: the layout says nothing. */
  readonly lone?: Expectation;
  /** A healthy one, dearer, offers the same model. Undefined: the layout says nothing. */
  readonly pair?: Expectation;
  /** The upstream cannot tell its requests, or gets none: they are not counted. */
  readonly unseen?: true;
  /** Requests that an upstream saw twice because it broke off an idle connection under them: such a repeat is no attempt. */
  readonly repeats?: number;
  /** The connections of failed attempts must be closed: after such an answer they cannot be trusted. */
  readonly closes?: true;
  /** Its failure has the target wait for long: a timer for each of its cells may stay. */
  readonly cools?: true;
  /** What else must be so once the call is over. */
  readonly check?: (cell: Played) => void | Promise<void>;
  /** Instead of one call: plays what it likes, ends with the call that is looked at. */
  readonly before?: (cell: Playing) => Promise<void>;
  /** Further facts of the question. */
  readonly question?: Partial<Question>;
}

/** A cell while it is played. */
export interface Playing {
  readonly scene: FaultScene;
  readonly door: DoorClient;
  readonly layout: Layout;
  /** What callers ask for. */
  readonly model: string;
  /** The same name as upstreams are asked for it. */
  readonly upstreamModel: string;
  /** The faulty one. */
  readonly upstream: ScriptedUpstream;
  /** Asks once more, with the key. */
  readonly ask: (more?: Partial<Question>) => Promise<End>;
}

/** A cell that was played. */
export interface Played extends Playing {
  readonly end: End;
  readonly line: LogLine;
  /** What the faulty upstream was asked for this cell's model. */
  readonly requests: readonly SeenRequest[];
  /** From the question to the end, in milliseconds. */
  readonly durationMs: number;
}

/** How the cells of a table are played. */
export interface TableOptions extends Partial<Omit<FaultSceneOptions, "faulty" | "shared">> {
  /** One after the other: they look at connections, which cells of a row share. */
  readonly oneByOne?: true;
}

/** Who asks, and what must come of it. */
interface Play {
  readonly door: DoorClient;
  readonly expected: Expected;
}

interface PlannedCell {
  readonly row: FaultRow;
  readonly cell: Cell;
  readonly layout: Layout;
  readonly play: Play | Skipped;
  readonly upstreamModel: string;
}

// Cells mostly wait: for time-outs, and for the log, which is written in batches.
vi.setConfig({ maxConcurrency: 16 });

/** Makes tests of rows that share a server. */
export function faultTable(title: string, rows: readonly FaultRow[], options: TableOptions = {}): void {
  const cells = rows.flatMap((row) => planRow(row));
  let scene: FaultScene;
  describe(title, () => {
    beforeAll(async () => {
      scene = await createFaultScene({
        maxConcurrent: 24,
        ...options,
        faulty: rows.map((row) => providerOf(row, cells)),
        shared: cells.filter(({ layout }) => layout === "pair").map(({ upstreamModel }) => upstreamModel),
      });
    }, 60_000);
    afterAll(() => scene[Symbol.asyncDispose]());

    const side = options.oneByOne === true ? describe : describe.concurrent;
    side("cells", () => {
      for (const planned of cells) {
        test(titleOf(planned.cell), { meta: { cell: planned.cell } }, async (context) => {
          if ("skip" in planned.play) context.skip(planned.play.skip);
          else await playCell(scene, planned, planned.play);
        });
      }
    });

    test(`${title}: afterwards nothing is in flight, nothing is held, nothing has leaked`, { timeout: 40_000 }, async () => {
      await expectAllClean(
        scene,
        [...new Set(cells.map(({ row, upstreamModel }) => (row.apart === true ? upstreamModel : nameOf(row))))],
        cells.filter(({ row }) => row.cools === true).length,
      );
    });
  });
}

function planRow(row: FaultRow): PlannedCell[] {
  const protocols = row.protocols ?? allProtocols;
  const layouts: readonly (readonly [Layout, Expectation | undefined])[] = [
    ["lone", row.lone],
    ["pair", row.pair],
  ];
  return layouts.flatMap(([layout, expectation]) => {
    if (expectation === undefined) return [];
    return doorsOf(protocols).map((door, at) => ({
      row,
      cell: { id: row.id, fault: row.fault, protocol: door.name, layout },
      layout,
      play: playBy(door, expectation),
      upstreamModel: `${nameOf(row)}-${layout}-${at}`,
    }));
  });
}

function playBy(door: DoorClient, expectation: Expectation): Play | Skipped {
  const expected = expectation(door);
  return "skip" in expected ? expected : { door, expected };
}

/** As providers may be called. */
function nameOf({ id }: FaultRow): string {
  return id.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
}

function providerOf(row: FaultRow, cells: readonly PlannedCell[]): FaultyProvider {
  const { script = [], settings, type, tls, baseUrl, apart } = row;
  const models = cells.filter((each) => each.row === row).map(({ upstreamModel }) => upstreamModel);
  return { name: nameOf(row), script, models, settings, type, tls, baseUrl, apart };
}

async function playCell(scene: FaultScene, planned: PlannedCell, { door, expected }: Play): Promise<void> {
  const { row, layout, upstreamModel } = planned;
  const model = layout === "lone" ? `${row.apart === true ? upstreamModel : nameOf(row)}/${upstreamModel}` : upstreamModel;
  const onText = (): void => scene.upstream(nameOf(row)).heard(upstreamModel);
  const question = { model, content: canaries.prompt, headers: scene.headers, onText, ...row.question };
  const ask: Playing["ask"] = (more = {}) => endOf(door.ask(scene.url, { ...question, ...more }));
  const playing: Playing = { scene, door, layout, model, upstreamModel, upstream: scene.upstream(nameOf(row)), ask };
  await row.before?.(playing);
  const earlier = scene.asked(upstreamModel).length;

  const { headers, line } = tracked(scene.server);
  const startMs = performance.now();
  const end = await ask({ headers: { ...question.headers, ...headers } });
  const durationMs = performance.now() - startMs;
  expectEnd(end, expected, door);

  const logged = await line();
  const attempts = expectLine(logged, expected, door);
  if (row.unseen === undefined)
    expect(scene.asked(upstreamModel).length - earlier, "requests that upstreams saw").toBe(attempts + (row.repeats ?? 0));

  const requests = playing.upstream.requests.filter((request) => request.model === upstreamModel);
  if (row.closes === true) {
    for (const { connection } of requests)
      await until(() => connection.closedMs !== undefined, "the upstream's connection is closed", 3000);
  }
  await row.check?.({ ...playing, end, line: logged, requests, durationMs });
}

/** The call's line tells the same end as the wire; returns its attempts. */
function expectLine(line: LogLine, expected: Expected, door: DoorClient): number {
  const reason = reasonOf(expected);
  const status = reason === undefined ? 200 : reason === "STREAM_INTERRUPTED" ? 502 : reason === "CANCELLED" ? 499 : outcomes[reason].http;
  expect(line).toMatchObject({ door: door.door, streamed: door.streamed, status, ...(reason !== undefined && { reason }) });
  if (reason === undefined) expect(line["reason"]).toBeUndefined();
  if (expected.attempts !== undefined) expect(line["attempts"]).toBe(expected.attempts);
  const { tries } = line;
  if (Array.isArray(tries)) expect(tries).toHaveLength(Number(line["attempts"]));
  expectNoCanary(JSON.stringify(line), "the call's log line");
  return Number(line["attempts"]);
}

/** The refusal, for rows that look at its words. */
export function refusedOf({ end }: Played): Refused {
  if (end instanceof Refused) return end;
  throw new Error("the call was not refused");
}
