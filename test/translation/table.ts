import { describe, expect, test } from "vitest";
import { TranslationAction } from "../../src/core/chat.ts";
import { parseJson } from "../../src/core/json.ts";
import type { HostType } from "../../src/providers/hosts.ts";
import { askedAt, type Body, type DoorName } from "./doors.ts";
import { type DialectName, outcomeOf, type Row, rowOf } from "./rows.ts";

/** What becomes of a feature at a target. */
export interface Cell {
  /** Part of the body; matched as `toMatchObject` does. */
  readonly wire?: object;
  /** Fields of the body that are not there. */
  readonly lacks?: readonly string[];
  /** All that is told, as `DROPPED sampling.seed`. Default: nothing. */
  readonly notes?: readonly string[];
  /** Field of the UNSUPPORTED_FEATURE. */
  readonly refused?: string;
  /** Another model than the usual one. */
  readonly model?: string;
}

/** A row of a table: a feature in the words of each door that has it, and what becomes of it in each language. */
export interface Feature {
  /** `6.3 choice named`. */
  readonly name: string;
  readonly asked: Readonly<Partial<Record<DoorName, Body>>>;
  readonly at: Readonly<Partial<Record<DialectName, Cell | readonly Cell[]>>>;
}

const usual: Readonly<Record<DialectName, readonly [HostType, model: string]>> = {
  "openai-chat": ["openai", "gpt-4o"],
  "openai-responses": ["openai", "gpt-4o"],
  "anthropic-messages": ["anthropic", "claude-sonnet-4-5"],
  gemini: ["gemini", "gemini-3.5-flash"],
  cohere: ["cohere", "command-a-03-2025"],
  "bedrock-converse": ["bedrock", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"],
};

const dialectNames = Object.keys(usual) as DialectName[];

/** A row of the usual model, or another one, of a dialect. */
export function usualRow(dialect: DialectName, model?: string): Row {
  const [type, known] = usual[dialect];
  return rowOf(dialect, type, model ?? known);
}

/** One test for each door and cell. */
export function tableOf(title: string, features: readonly Feature[]): void {
  describe(title, () => {
    for (const feature of features) for (const [door, dialect, cell] of cellsOf(feature)) check(feature, door, dialect, cell);
  });
}

function cellsOf({ asked, at }: Feature): [door: DoorName, dialect: DialectName, cell: Cell][] {
  const doors = (["chat", "responses", "messages"] as const).filter((door) => asked[door] !== undefined);
  return dialectNames.flatMap((dialect) => {
    const cells = [at[dialect] ?? []].flat();
    return cells.flatMap((cell) => doors.map((door): [DoorName, DialectName, Cell] => [door, dialect, cell]));
  });
}

const actionWords: ReadonlyMap<number, string> = new Map(Object.entries(TranslationAction).map(([word, value]) => [value, word]));

function check({ name, asked }: Feature, door: DoorName, dialect: DialectName, cell: Cell): void {
  const at = cell.model === undefined ? dialect : `${dialect} (${cell.model})`;
  test(`${name} · ${door} → ${at}`, () => {
    const outcome = outcomeOf(usualRow(dialect, cell.model), askedAt(door, asked[door]));
    if (cell.refused !== undefined) {
      expect(outcome).toMatchObject({ kind: "refused", error: { failure: "UNSUPPORTED_FEATURE", field: cell.refused } });
      return;
    }
    if (outcome.kind === "refused") throw outcome.error;
    expect(outcome.notes.map(({ action, field }) => `${actionWords.get(action)} ${field}`)).toEqual(cell.notes ?? []);
    const body = parseJson(outcome.body);
    if (cell.wire !== undefined) expect(body).toMatchObject(cell.wire);
    for (const field of cell.lacks ?? []) expect(body).not.toHaveProperty(field);
  });
}
