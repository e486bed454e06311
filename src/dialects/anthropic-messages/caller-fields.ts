import { ChatError } from "../../core/error.ts";
import { type Fields, isJsonObject } from "./fields.ts";

/** Path of a field as Anthropic writes it: `messages.0.content.1.text`; `path` is the object's, empty at the root. */
export function at(path: string, key: string | number): string {
  return path === "" ? String(key) : `${path}.${key}`;
}

/** Throws INVALID_REQUEST about one field. */
export function refuse(path: string, what: string): never {
  throw new ChatError("INVALID_REQUEST", `${path}: ${what}`, { field: path });
}

// The readers below take the object, the key and the object's path; null equals absence.

/** A string, or undefined where absent. */
export function optionalText(fields: Fields, key: string, path: string): string | undefined {
  const value = fields[key];
  if (value === undefined || value === null) return undefined;
  return typeof value === "string" ? value : refuse(at(path, key), "must be a string");
}

/** A string that must be there; it may be empty. */
export function requiredText(fields: Fields, key: string, path: string): string {
  return optionalText(fields, key, path) ?? refuse(at(path, key), "is required");
}

/** A string that must be there and say something. */
export function requiredName(fields: Fields, key: string, path: string): string {
  const value = requiredText(fields, key, path);
  return value === "" ? refuse(at(path, key), "must not be empty") : value;
}

/** True or false, or undefined where absent. */
export function optionalBoolean(fields: Fields, key: string, path: string): boolean | undefined {
  const value = fields[key];
  if (value === undefined || value === null) return undefined;
  return typeof value === "boolean" ? value : refuse(at(path, key), "must be true or false");
}

/** Bounds of a number, both included. */
export type Range = readonly [least: number, most: number];

/** A number within the range, or undefined where absent. */
export function optionalNumber(fields: Fields, key: string, path: string, [least, most]: Range): number | undefined {
  const value = fields[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "number") return refuse(at(path, key), "must be a number");
  return value >= least && value <= most ? value : refuse(at(path, key), `must be between ${least} and ${most}`);
}

/** The most an unsigned 32-bit field holds. */
export const uint32Max = 0xffff_ffff;

/** A whole number of at least `least`, or undefined where absent. */
export function optionalInteger(fields: Fields, key: string, path: string, least: number): number | undefined {
  const value = fields[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "number" || !Number.isInteger(value)) return refuse(at(path, key), "must be a whole number");
  return value >= least && value <= uint32Max ? value : refuse(at(path, key), `must be at least ${least}`);
}

/** An object, or undefined where absent. */
export function optionalFields(fields: Fields, key: string, path: string): Fields | undefined {
  const value = fields[key];
  if (value === undefined || value === null) return undefined;
  return isJsonObject(value) ? value : refuse(at(path, key), "must be an object");
}

/** An object that must be there. */
export function requiredFields(fields: Fields, key: string, path: string): Fields {
  return optionalFields(fields, key, path) ?? refuse(at(path, key), "is required");
}

/** A list, or undefined where absent. */
export function optionalList(fields: Fields, key: string, path: string): readonly unknown[] | undefined {
  const value = fields[key];
  if (value === undefined || value === null) return undefined;
  return Array.isArray(value) ? value : refuse(at(path, key), "must be a list");
}

/** A list's element as an object. */
export function fieldsAt(value: unknown, path: string): Fields {
  return isJsonObject(value) ? value : refuse(path, "must be an object");
}
