/** What a row of the matrix is, and what all of them check alike. */
import { z } from "zod";
import type { Column, Need } from "./columns.ts";

/** Where a call goes. */
export interface Place {
  /** The server's, without a path. */
  readonly url: string;
  /** Names of models, as callers write them. */
  readonly chat: string;
  readonly thinking: string;
  readonly embedding: string;
}

/** One kind of call of one client. */
export interface Row {
  /** The package's name, as in package.json. */
  readonly client: string;
  readonly call: string;
  readonly needs?: readonly Need[];
  /** Why it works nowhere. */
  readonly never?: string;
  /** Makes the call and checks what came. */
  readonly run: (place: Place) => Promise<void>;
}

/** Why a row has nothing to do at a column; undefined: it has. */
export function unavailable({ needs = [], never }: Pick<Row, "needs" | "never">, { lacks }: Column): string | undefined {
  return never ?? needs.map((need) => lacks[need]).find((reason) => reason !== undefined);
}

/** A column's place at this server. */
export function placeAt(url: string, { name, models, thinker }: Column): Place {
  const { chat, thinking = chat, embedding = chat } = models;
  const thinkingAt = thinker === undefined ? name : thinkingProvider(name);
  return { url, chat: `${name}/${chat}`, thinking: `${thinkingAt}/${thinking}`, embedding: `${name}/${embedding}` };
}

/** The provider of a column's thinking model, where that has an upstream of its own. */
export function thinkingProvider(column: string): string {
  return `${column}-thinking`;
}

/** The object that is asked for. */
export const weather = z.object({ city: z.string(), celsius: z.number() });
/** What the tools take. */
export const city = z.object({ city: z.string() });
/** See `city`. */
export const numbers = z.object({ of: z.array(z.number()) });
/** The same as JSON schemas, for clients that want these. */
export const citySchema = { type: "object" as const, properties: { city: { type: "string" as const } }, required: ["city"] };
/** See `citySchema`. */
export const numbersSchema = {
  type: "object" as const,
  properties: { of: { type: "array" as const, items: { type: "number" as const } } },
  required: ["of"],
};
