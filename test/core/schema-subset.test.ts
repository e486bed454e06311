import { expect, test } from "vitest";
import { type Fields, isJsonObject } from "../../src/core/json-fields.ts";
import { subsetSchema } from "../../src/core/schema-subset.ts";

const object = (properties: Fields, more: Fields = {}): Fields => ({ type: "object", properties, ...more });

test.each([
  {
    what: "closed objects",
    schema: object({ a: { type: "string" } }, { additionalProperties: false }),
    out: object({ a: { type: "string" } }, { additionalProperties: false }),
    changed: false,
  },
  { what: "open objects", schema: object({}), out: object({}, { additionalProperties: false }), changed: false },
  {
    what: "nullable objects",
    schema: { type: ["object", "null"] },
    out: { type: ["object", "null"], additionalProperties: false },
    changed: false,
  },
  {
    what: "maps",
    schema: { type: "object", additionalProperties: { type: "string" } },
    out: { type: "object", description: `{additionalProperties: {"type":"string"}}`, additionalProperties: false },
    changed: true,
  },
  {
    what: "ranges",
    schema: { type: "integer", minimum: 1, maximum: 5, description: "Stars" },
    out: { type: "integer", description: "Stars\n\n{minimum: 1, maximum: 5}" },
    changed: true,
  },
  { what: "patterns", schema: { type: "string", pattern: "^a$" }, out: { type: "string", description: `{pattern: "^a$"}` }, changed: true },
  { what: "known formats", schema: { type: "string", format: "uuid" }, out: { type: "string", format: "uuid" }, changed: false },
  {
    what: "other formats",
    schema: { type: "string", format: "iri" },
    out: { type: "string", description: `{format: "iri"}` },
    changed: true,
  },
  {
    what: "few items",
    schema: { type: "array", minItems: 1, items: { type: "string" } },
    out: { type: "array", minItems: 1, items: { type: "string" } },
    changed: false,
  },
  { what: "many items", schema: { type: "array", minItems: 2 }, out: { type: "array", description: "{minItems: 2}" }, changed: true },
  {
    what: "oneOf",
    schema: { oneOf: [{ type: "string" }, { type: "null" }] },
    out: { anyOf: [{ type: "string" }, { type: "null" }] },
    changed: true,
  },
  {
    what: "anyOf",
    schema: { anyOf: [{ type: "string", maxLength: 1 }] },
    out: { anyOf: [{ type: "string", description: "{maxLength: 1}" }] },
    changed: true,
  },
  { what: "remarks", schema: { $schema: "x", $id: "y", type: "string", examples: ["a"] }, out: { type: "string" }, changed: false },
  {
    what: "references",
    schema: object({ a: { $ref: "#/$defs/A", description: "x" }, b: { $ref: "#/$defs/A" } }, { $defs: { A: { type: "string" } } }),
    out: object({ a: { $ref: "#/$defs/A" }, b: { $ref: "#/$defs/A" } }, { $defs: { A: { type: "string" } }, additionalProperties: false }),
    changed: false,
  },
])("of $what, $changed", ({ schema, out, changed }) => {
  expect(subsetSchema(schema)).toEqual({ schema: out, changed });
});

test.each([
  { what: "to the root", schema: object({ a: { $ref: "#" } }) },
  { what: "to itself", schema: object({ a: { $ref: "#/$defs/A" } }, { $defs: { A: object({ next: { $ref: "#/$defs/A" } }) } }) },
  {
    what: "in a circle",
    schema: object(
      { a: { $ref: "#/definitions/A" } },
      { definitions: { A: { items: { $ref: "#/definitions/B" } }, B: { anyOf: [{ $ref: "#/definitions/A" }] } } },
    ),
  },
])("a reference $what has no form", ({ schema }) => {
  expect(subsetSchema(schema)).toBeUndefined();
});

test("a property called __proto__ stays a property", () => {
  const schema: unknown = JSON.parse(`{"type":"object","properties":{"__proto__":{"type":"string"}}}`);
  if (!isJsonObject(schema)) throw new Error("no object");
  expect(JSON.stringify(subsetSchema(schema)?.schema)).toContain(`"__proto__":{"type":"string"}`);
});
