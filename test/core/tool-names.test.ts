import { assert, constantFrom, property, string } from "fast-check";
import { expect, test } from "vitest";
import { callerTool, legalToolName, ToolNames } from "../../src/core/tool-names.ts";

test.each([
  { name: "f", max: 64 },
  { name: "x".repeat(64), max: 64 },
  { name: "x".repeat(128), max: 128 },
])("a name of $name.length characters stays as it is where $max are taken", ({ name, max }) => {
  expect(legalToolName(name, max)).toBe(name);
});

test("a longer one keeps its beginning, and ends with a hash of all of it", () => {
  const short = legalToolName(`${"a".repeat(60)}bcdef`, 64);
  expect(short).toMatch(/^a{55}_[0-9a-f]{8}$/);
  expect(short).toHaveLength(64);
  expect(legalToolName(`${"a".repeat(60)}bcdeg`, 64)).not.toBe(short);
});

test("whatever a name is, the same legal one comes of it each time, and leads back", () => {
  const name = string({ unit: "binary", minLength: 1, maxLength: 200 });
  assert(
    property(name, constantFrom(64, 128), (each, max) => {
      const names = new ToolNames(max);
      const wire = names.wire(each);
      expect(wire).toMatch(max === 64 ? /^[a-zA-Z0-9_-]{1,64}$/ : /^[a-zA-Z0-9_-]{1,128}$/);
      expect(new ToolNames(max).wire(each)).toBe(wire);
      expect(callerTool(wire, names.context())).toEqual({ name: each, custom: false });
    }),
  );
});

test("names that need nothing leave no trace", () => {
  const names = new ToolNames(64);
  names.wire("f");
  expect(names.context()).toEqual({});
  names.freeform("g");
  expect(callerTool("g", names.context())).toEqual({ name: "g", custom: true });
});
