import { expect, test } from "vitest";

import { sampleJson } from "../../src/providers/schema-sample.ts";

const cases: readonly { why: string; schema: unknown; sample: unknown }[] = [
  {
    why: "only required properties",
    schema: { properties: { a: { type: "string" }, b: { type: "string" } }, required: ["a"] },
    sample: { a: "" },
  },
  { why: "nested objects", schema: obj({ at: obj({ lat: { type: "number" } }) }), sample: { at: { lat: 0 } } },
  { why: "const", schema: obj({ v: { const: 7 } }), sample: { v: 7 } },
  { why: "default before type", schema: obj({ v: { type: "string", default: "d" } }), sample: { v: "d" } },
  { why: "first of enum", schema: obj({ unit: { enum: ["c", "f"] } }), sample: { unit: "c" } },
  { why: "first of examples", schema: obj({ city: { type: "string", examples: ["Oslo"] } }), sample: { city: "Oslo" } },
  { why: "boolean and null", schema: obj({ b: { type: "boolean" }, n: { type: "null" } }), sample: { b: false, n: null } },
  { why: "the first of several types", schema: obj({ v: { type: ["integer", "null"] } }), sample: { v: 0 } },
  { why: "minimum", schema: obj({ v: { type: "integer", minimum: 3 } }), sample: { v: 3 } },
  { why: "maximum below zero", schema: obj({ v: { type: "integer", maximum: -2 } }), sample: { v: -2 } },
  {
    why: "open bounds of a fraction",
    schema: obj({ v: { type: "number", exclusiveMinimum: 0, exclusiveMaximum: 1 } }),
    sample: { v: 0.5 },
  },
  { why: "exclusive minimum of an integer", schema: obj({ v: { type: "integer", exclusiveMinimum: 4 } }), sample: { v: 5 } },
  { why: "multiples within bounds", schema: obj({ v: { type: "integer", multipleOf: 5, minimum: 7 } }), sample: { v: 10 } },
  { why: "fractional minimum of an integer", schema: obj({ v: { type: "integer", minimum: 1.5 } }), sample: { v: 2 } },
  { why: "minLength", schema: obj({ v: { type: "string", minLength: 3 } }), sample: { v: "xxx" } },
  { why: "formats", schema: obj({ v: { type: "string", format: "date" } }), sample: { v: "2026-01-01" } },
  { why: "an empty array", schema: obj({ v: { type: "array", items: { type: "string" } } }), sample: { v: [] } },
  { why: "minItems", schema: obj({ v: { type: "array", items: { type: "integer" }, minItems: 2 } }), sample: { v: [0, 0] } },
  { why: "tuples", schema: obj({ v: { prefixItems: [{ type: "string" }, { type: "integer" }] } }), sample: { v: ["", 0] } },
  {
    why: "anyOf, as optional fields are written",
    schema: obj({ v: { anyOf: [{ type: "string" }, { type: "null" }] } }),
    sample: { v: "" },
  },
  {
    why: "allOf joined",
    schema: { allOf: [obj({ a: { type: "integer" } }), obj({ b: { type: "boolean" } })] },
    sample: { a: 0, b: false },
  },
  {
    why: "references into $defs, with escapes",
    schema: { ...obj({ city: { $ref: "#/$defs/a~1b" } }), $defs: { "a/b": obj({ name: { type: "string" } }) } },
    sample: { city: { name: "" } },
  },
  { why: "a required property nobody described", schema: { type: "object", required: ["x"] }, sample: { x: "" } },
  {
    why: "properties named like JavaScript's own",
    schema: { required: ["constructor", "toString"] },
    sample: { constructor: "", toString: "" },
  },
  { why: "no schema at all", schema: true, sample: {} },
];
for (const { why, schema, sample } of cases) {
  test(`a sample honours ${why}`, () => expect(JSON.parse(sampleJson(JSON.stringify(schema)))).toEqual(sample));
}

test("empty and broken schemas give an empty object", () => {
  expect(sampleJson("")).toBe("{}");
  expect(sampleJson("{")).toBe("{}");
});

test("a property named __proto__ is a property", () => {
  expect(sampleJson('{"required":["__proto__"],"properties":{"a":{}}}')).toBe('{"__proto__":""}');
});

test("integers beyond 2^53 keep their digits", () => {
  expect(sampleJson('{"required":["id"],"properties":{"id":{"const":12345678901234567890}}}')).toBe('{"id":12345678901234567890}');
});

test("a schema that needs itself for ever comes to an end", () => {
  const schema = { ...obj({ next: { $ref: "#" } }) };
  expect(sampleJson(JSON.stringify(schema)).length).toBeLessThan(1000);
  expect(sampleJson('{"$ref":"#"}')).toBeTypeOf("string");
});

const many = (items: unknown) => obj({ v: { type: "array", minItems: 1e9, items } });
for (const { what, schema } of [
  { what: "items", schema: many({ type: "array", minItems: 1e9, items: { type: "null" } }) },
  { what: "long strings", schema: many({ type: "string", minLength: 1e9 }) },
  { what: "copies of a constant", schema: many({ const: "x".repeat(50_000) }) },
  { what: "copies of a long name", schema: many({ required: ["x".repeat(50_000)] }) },
]) {
  test(`a schema that asks for too many ${what} gets a bounded answer`, () => {
    expect(sampleJson(JSON.stringify(schema)).length).toBeLessThan(1_000_000);
  });
}

test("combinations that double at each step come to an end", () => {
  const $defs: Record<string, unknown> = { d40: obj({ v: { type: "null" } }) };
  for (let i = 0; i < 40; i++) $defs[`d${i}`] = { allOf: [{ $ref: `#/$defs/d${i + 1}` }, { $ref: `#/$defs/d${i + 1}` }] };
  expect(sampleJson(JSON.stringify({ $ref: "#/$defs/d0", $defs }))).toBeTypeOf("string");
});

function obj(properties: Readonly<Record<string, unknown>>): object {
  return { type: "object", properties, required: Object.keys(properties) };
}
