import { inspect } from "node:util";
import { describe, expect, test } from "vitest";

import { ChatError } from "../../src/core/error.ts";
import { integerText, parseCallerJson, parseJson, refuseExcess } from "../../src/core/json.ts";

describe("integers", () => {
  for (const text of [
    "9007199254740991",
    "9007199254740992",
    "9007199254740993",
    "-9007199254740993",
    "123456789012345678901234567890",
    "1234567890123456",
    "0",
    "-1",
  ]) {
    test(`${text} survives both ways, at any depth`, () => {
      for (const json of [text, `{"id":${text}}`, `[1,[${text},"${text}"]]`]) {
        expect(JSON.stringify(parseJson(json))).toBe(json);
        expect(JSON.stringify(parseCallerJson(json))).toBe(json);
      }
      expect(integerText(parseJson(text))).toBe(text);
    });
  }

  test("safe ones stay numbers", () =>
    expect(parseJson(`[9007199254740991,"9007199254740993"]`)).toEqual([9007199254740991, "9007199254740993"]));

  test("keeps the digits of an integer behind fractions that have as many", () =>
    expect(JSON.stringify(parseJson("[-0.123456789012345678,9007199254740993]"))).toBe("[-0.12345678901234568,9007199254740993]"));

  for (const value of [1.5, Number.NaN, Number.POSITIVE_INFINITY, "1", null, undefined, {}, [], { rawJSON: 1 }]) {
    test(`${JSON.stringify(value)} is none`, () => expect(integerText(value)).toBeUndefined());
  }

  test("fractions and exponents with many digits are numbers as ever", () => {
    const text = "[0.12345678901234567,1e400,1234567890123456e1,-0.0]";
    expect(parseJson(text)).toEqual(JSON.parse(text));
  });
});

/** A value in so many arrays, or objects. */
const nested = (depth: number, [open, close]: readonly [string, string], inside = ""): string =>
  open.repeat(depth) + inside + close.repeat(depth);
const tooDeep = expect.objectContaining({ failure: "INVALID_REQUEST", message: "the body's JSON is nested deeper than 64" });
const tooMuch = expect.objectContaining({ failure: "INVALID_REQUEST", message: "the body has more than 1000000 JSON values" });

describe("a caller's JSON", () => {
  for (const [what, pair, inside] of [
    ["arrays", ["[", "]"], ""],
    ["arrays around a value", ["[", "]"], "1"],
    ["objects", ['{"a":', "}"], "1"],
  ] as const) {
    test(`may be nested 64 ${what} deep, and not 65`, () => {
      expect(() => parseCallerJson(nested(64, pair, inside))).not.toThrow();
      expect(() => parseCallerJson(nested(65, pair, inside))).toThrow(tooDeep);
      expect(() => parseCallerJson(`[${nested(64, pair, inside)}]`)).toThrow(tooDeep);
      expect(() => parseCallerJson(nested(100_000, pair, inside))).toThrow(tooDeep);
    });
  }

  test("may hold 100,000 objects, and keys in one object, and not one more", () => {
    const objects = (count: number): string => `[${Array(count).fill("{}").join(",")}]`;
    const keys = (count: number): string => `{"a":[{${Array.from({ length: count }, (_, i) => `"${i}":1`).join(",")}}]}`;
    expect(() => parseCallerJson(objects(100_000))).not.toThrow();
    expect(() => parseCallerJson(objects(100_001))).toThrow("the body has more than 100000 JSON objects");
    expect(() => parseCallerJson(keys(100_000))).not.toThrow();
    expect(() => parseCallerJson(keys(100_001))).toThrow("the body's JSON has an object of more than 100000 keys: a[0]");
  });

  for (const number of ["1e999", "-1E+999", "0.1e400", "1234567890123456e999", `1${"0".repeat(400)}.5`]) {
    test(`is refused for ${number.slice(0, 24)}, which no double reaches`, () => {
      for (const text of [number, `[1,${number}]`, `{"a":${number}}`])
        expect(() => refuseExcess(text)).toThrow("the body's JSON has a number that is too large");
      expect(refuseExcess(`["${number}"]`)).toBe(false);
    });
  }

  test("takes the slow way only for integers that a double does not hold", () => {
    for (const text of ["[1e5,1.5E-3]", "[0.12345678901234567890]", "1234567890123456", "[1234567890123456]"])
      expect(refuseExcess(text)).toBe(false);
    for (const text of ["9007199254740993", "[-9007199254740993]", '{"a":12345678901234567}']) expect(refuseExcess(text)).toBe(true);
  });

  test("with an integer that a double does not hold may have a hundred thousand values, and not many more", () => {
    const build = (n: number): string => `[${"1,".repeat(n)}9007199254740993]`;
    expect(() => parseCallerJson(build(99_998))).not.toThrow();
    expect(() => parseCallerJson(build(100_000))).toThrow("more than 100000 JSON values, and an integer beyond 2^53 among them");
  });

  test("brackets in strings are text, escaped quotes included", () => {
    const text = JSON.stringify({ a: "[".repeat(200), [`"${"{".repeat(200)}\\`]: '\\"[[[\\\\' });
    expect(parseCallerJson(text)).toEqual(JSON.parse(text));
  });

  for (const [what, build] of [
    [
      "numbers",
      (n: number) =>
        `[${Array(n - 1)
          .fill("1")
          .join(",")}]`,
    ],
    [
      "strings with commas",
      (n: number) =>
        `[${Array(n - 1)
          .fill('","')
          .join(",")}]`,
    ],
    [
      "fields",
      (n: number) => {
        // Of ten objects in an array.
        const object = (keys: number): string => `{${Array.from({ length: keys }, (_, i) => `"${i}":1`).join(",")}}`;
        return `[${[...Array<string>(10).fill(object(90_000)), object(n - 2 - 10 * 90_001)].join(",")}]`;
      },
    ],
  ] as const) {
    test(`may hold a million ${what}, itself included, and not many more`, { timeout: 30_000 }, () => {
      expect(() => parseCallerJson(build(1_000_000))).not.toThrow();
      expect(() => parseCallerJson(build(1_000_100))).toThrow(tooMuch);
    });
  }

  for (const text of ["", "{", '{"prompt": "a secret" oops', '["a secret",]', "a secret", '{"a": NaN, "b": "a secret"}', '"a secret']) {
    test(`that is none is refused without quoting it: ${JSON.stringify(text)}`, () => {
      let thrown: unknown;
      try {
        parseCallerJson(text);
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toBeInstanceOf(ChatError);
      expect(thrown).toMatchObject({
        failure: "INVALID_REQUEST",
        message: expect.stringMatching(/^the body is not valid JSON( at position \d+( \(line \d+ column \d+\))?)?$/),
      });
      expect(inspect(thrown)).not.toContain("a secret");
    });
  }

  for (const text of ['{"a":1e999}', "[-1e999]", `[1${"0".repeat(400)}.5]`, '{"deep":[{"x":[2E400]}]}']) {
    test(`may not hold numbers that no double reaches: ${text.slice(0, 30)}`, () =>
      expect(() => parseCallerJson(text)).toThrow(
        expect.objectContaining({ failure: "INVALID_REQUEST", message: expect.stringContaining("too large") }),
      ));
  }

  for (const text of ["[1e5,1.5e-7,2E3]", '{"true":true,"e":false,"1e":1}', `[1${"0".repeat(400)}]`]) {
    test(`may hold others, with exponents or many digits: ${text.slice(0, 30)}`, () =>
      expect(JSON.stringify(parseCallerJson(text)).replace(/\s/g, "")).toBe(text.length > 100 ? text : JSON.stringify(JSON.parse(text))));
  }

  for (const { text, whole } of [
    { text: String.raw`"\ud83d\ude00 \uD83D\uDE00 \ud83D\uDe00"`, whole: true },
    { text: String.raw`"\\ud83d is no escape, and neither is \\\\ude00"`, whole: true },
    { text: String.raw`"\u4e2d\u6587 \ud7ff \ue000"`, whole: true },
    { text: String.raw`"\ud83d"`, whole: false },
    { text: String.raw`"\ude00"`, whole: false },
    { text: String.raw`"\ude00\ud83d"`, whole: false },
    { text: String.raw`"\ud83d \ude00"`, whole: false },
    { text: String.raw`"\ud83d\ud83d\ude00"`, whole: false },
    { text: String.raw`"\\\ud83d"`, whole: false },
    { text: String.raw`{"\ud83d":1,"\ude00":2}`, whole: false },
  ]) {
    test(`${whole ? "may hold" : "may not hold half of"} a surrogate pair: ${text}`, () => {
      const parse = (): unknown => parseCallerJson(text);
      if (whole) expect(parse()).toEqual(JSON.parse(text));
      else
        expect(parse).toThrow(expect.objectContaining({ failure: "INVALID_REQUEST", message: expect.stringContaining("surrogate pair") }));
    });
  }

  for (const text of [
    '{"a":1,}',
    "[1,]",
    '{"a":1 /* why */}',
    "{'a':1}",
    "// x\n{}",
    '{"a":01}',
    '{"a":.5}',
    '{"a":+1}',
    '{"a":undefined}',
    "\u00a0{}",
  ]) {
    test(`is JSON, and nothing like it: ${JSON.stringify(text)}`, () =>
      expect(() => parseCallerJson(text)).toThrow(expect.objectContaining({ failure: "INVALID_REQUEST" })));
  }
});

describe("a caller's keys", () => {
  const many = Array.from({ length: 40 }, (_, i) => `"k${i}":${i}`).join(",");
  const long = "k".repeat(100);
  for (const [text, field] of [
    ['{"model":"a","model":"b"}', "model"],
    ['{"stream":true, "x":1, "stream" : false}', "stream"],
    ['{"messages":[{"role":"user"},{"role":"user","content":"a secret","role":"system"}]}', "messages[1].role"],
    ['{"a":{"b":[[],[{"c":1},2,{"d":{"e":1,"e":"a secret"}}]]}}', "a.b[1][2].d.e"],
    [String.raw`{"model":1,"mod\u0065l":"a secret"}`, "model"],
    [String.raw`{"a\"b":1,"a\"b":"a secret"}`, 'a"b'],
    [`{${many},"k7":"a secret"}`, "k7"],
    [`{"x":{${many}},"y":{"z":1,"z":2}}`, "y.z"],
    [`{"${long}":1,"${long}":2}`, `${"k".repeat(64)}…`],
    ['{"\n\u00fc":1,"\n\u00fc":2}', String.raw`\u000a\u00fc`],
    ['{"":1,"":2}', ""],
    ['{"a":1,"a":2,', "a"],
  ] as const) {
    test(`may not come twice in one object: ${text.slice(0, 70)}`, () => {
      const refused = expect.objectContaining({ failure: "INVALID_REQUEST", field, message: `the body's JSON has a key twice: ${field}` });
      expect(() => parseCallerJson(text)).toThrow(refused);
      expect(() => refuseExcess(text)).toThrow(refused);
    });
  }

  for (const text of [
    '{"a":{"x":1},"b":{"x":1},"x":[{"x":1},{"x":2}]}',
    '{"a":"a","b":"\\"a\\":","c":"a"}',
    '{"Model":1,"model":2," model":3}',
    `{${many},"l":{${many}}}`,
    '["a","a",{"a":"a"}]',
    // Two keys of one hash.
    '{"Aa":1,"BB":2}',
  ]) {
    test(`may come again in another: ${text.slice(0, 70)}`, () => expect(parseCallerJson(text)).toEqual(JSON.parse(text)));
  }

  for (const [text, field] of [
    ['{"__proto__":{"admin":true}}', "__proto__"],
    [
      '{"tools":[{"function":{"parameters":{"properties":{"__proto__":{"type":"string"}}}}}]}',
      "tools[0].function.parameters.properties.__proto__",
    ],
    [String.raw`{"__pr\u006fto__":{"admin":true}}`, "__proto__"],
    ['{"a":{"constructor":{"prototype":{"admin":true}}}}', "a.constructor.prototype"],
  ] as const) {
    test(`may not reach for what all objects share: ${text.slice(0, 70)}`, () => {
      expect(() => parseCallerJson(text)).toThrow(
        expect.objectContaining({ failure: "INVALID_REQUEST", field, message: `the body's JSON has a key that is not allowed: ${field}` }),
      );
      expect(Reflect.get({}, "admin")).toBeUndefined();
    });
  }

  for (const text of [
    '{"properties":{"constructor":{"type":"string"},"prototype":{"type":"string"}}}',
    '{"constructor":["prototype"],"content":"__proto__"}',
    '{"prototype":{"constructor":1},"proto":1,"__proto":2,"_proto__":3}',
  ]) {
    test(`may be names like any other: ${text.slice(0, 70)}`, () => expect(parseCallerJson(text)).toEqual(JSON.parse(text)));
  }
});
