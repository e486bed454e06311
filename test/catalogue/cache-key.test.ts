/** C01 of the catalogue (reliability, 6.4): what a cached answer is found by. What the key of a small request covers is in test/stages/recall-key.test.ts. */
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { reflect, type ReflectMessage } from "@bufbuild/protobuf/reflect";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CallRequest, ChatRequestSchema, EmbedRequestSchema } from "../../src/core/chat.ts";
import { type House, openHouse } from "../e2e/house.ts";
import { keyOf } from "../stages/cache-key.ts";
import { completion, createUpstream, embeddings, type Upstream } from "../support/scripted-upstream.ts";

/** Nothing else may be left out of the key: contract, Cache. */
const silent = ["metadata", "routing.tags", "routing.cache", "routing.first_token_timeout"];
const isSilent = (name: string): boolean => silent.some((each) => name === each || name.startsWith(`${each}.`));

/** A field, from the request's own to the one that is meant. */
type Path = readonly DescField[];

/** All fields of a message and of the messages within; a message within itself is shown once. */
function* pathsOf(schema: DescMessage, before: Path = []): Generator<Path> {
  for (const field of schema.fields) {
    const path = [...before, field];
    yield path;
    const { message } = field;
    if (message !== undefined && message !== schema && !before.some((each) => each.message === message)) yield* pathsOf(message, path);
  }
}

const nameOf = (path: Path): string => path.map(({ name }) => name).join(".");

/** Gives every field a value; of those that exclude each other the one on the path, else the first. */
function fill(message: ReflectMessage, path: Path, within: readonly DescMessage[]): void {
  const [next, ...rest] = path;
  for (const field of message.desc.fields) {
    const { oneof } = field;
    if (oneof !== undefined && field !== (next?.oneof === oneof ? next : oneof.fields[0])) continue;
    put(message, field, { path: field === next ? rest : [], within });
  }
}

interface Place {
  readonly path: Path;
  readonly within: readonly DescMessage[];
}

function put(message: ReflectMessage, field: DescField, { path, within }: Place): void {
  const child = (schema: DescMessage, along: Path): ReflectMessage => {
    const made = reflect(schema);
    if (!within.includes(schema)) fill(made, along, [...within, schema]);
    return made;
  };
  switch (field.fieldKind) {
    case "scalar":
      message.set(field, scalarOf(field.scalar, "first"));
      break;
    case "enum":
      message.set(field, field.enum.values.find(({ number }) => number !== 0)?.number);
      break;
    case "message":
      message.set(field, child(field.message, path));
      break;
    case "map":
      if (field.mapKind === "scalar") message.get(field).set("name", scalarOf(field.scalar, "first"));
      break;
    case "list":
      if (field.listKind === "message") message.get(field).add(child(field.message, path));
      else if (field.listKind === "enum") message.get(field).add(1);
      else for (const which of ["first", "second"] as const) message.get(field).add(scalarOf(field.scalar, which));
  }
}

const wide: ReadonlySet<ScalarType> = new Set([
  ScalarType.INT64,
  ScalarType.UINT64,
  ScalarType.FIXED64,
  ScalarType.SFIXED64,
  ScalarType.SINT64,
]);

/** A value, unlike the others of its type; `zero`: what a field without a value is read as. */
function scalarOf(type: ScalarType, which: "first" | "second" | "third" | "zero"): unknown {
  const number = { first: 7, second: 8, third: 9, zero: 0 }[which];
  if (wide.has(type)) return BigInt(number);
  if (type === ScalarType.BOOL) return which === "first";
  if (type === ScalarType.STRING) return which === "zero" ? "" : which;
  return type === ScalarType.BYTES ? new Uint8Array(which === "zero" ? [] : [number]) : number;
}

/** What can be made of a field that has a value: each is another request. */
function mutationsOf(field: DescField): readonly (readonly [string, (message: ReflectMessage) => void])[] {
  const absent = ["absent", (message: ReflectMessage) => message.clear(field)] as const;
  switch (field.fieldKind) {
    case "scalar": {
      const values =
        field.presence === FeatureSet_FieldPresence.EXPLICIT || field.oneof !== undefined
          ? (["third", "zero"] as const)
          : (["third"] as const);
      // Of a bool both would be the same.
      const others = field.scalar === ScalarType.BOOL ? values.slice(1) : values;
      return [
        absent,
        ...others.map((which) => [which, (message: ReflectMessage) => message.set(field, scalarOf(field.scalar, which))] as const),
      ];
    }
    case "enum":
      return field.enum.values
        .filter(({ number }) => number !== field.enum.values.find((each) => each.number !== 0)?.number)
        .map(({ name, number }) => [name, (message) => message.set(field, number)]);
    case "message":
      return [absent];
    case "map":
      return [
        absent,
        ["another value", (message) => message.get(field).set("name", field.mapKind === "scalar" ? scalarOf(field.scalar, "third") : 1)],
        ["another name", (message) => message.get(field).set("other", field.mapKind === "scalar" ? scalarOf(field.scalar, "first") : 1)],
      ];
    default:
      if (field.listKind === "message") return [absent, ["one more", (message) => message.get(field).add(reflect(field.message))]];
      if (field.listKind === "enum") return [absent, ["one more", (message) => message.get(field).add(1)]];
      return [
        absent,
        ["one more", (message) => message.get(field).add(scalarOf(field.scalar, "third"))],
        [
          "another order",
          (message) => {
            message.get(field).clear();
            for (const which of ["second", "first"] as const) message.get(field).add(scalarOf(field.scalar, which));
          },
        ],
      ];
  }
}

/** The message that has the path's last field. */
function holderOf(message: ReflectMessage, path: Path): ReflectMessage {
  let holder = message;
  for (const field of path.slice(0, -1)) {
    const inner: unknown = field.fieldKind === "list" ? holder.get(field).get(0) : field.fieldKind === "message" && holder.get(field);
    if (!isReflected(inner)) throw new Error(`${nameOf(path)} is not there`);
    holder = inner;
  }
  return holder;
}

function isReflected(value: unknown): value is ReflectMessage {
  return typeof value === "object" && value !== null && "desc" in value;
}

/** A request in which everything is set that can be, with the path's fields among it. */
function maximal(schema: DescMessage, path: Path): ReflectMessage {
  const message = reflect(schema);
  fill(message, path, [schema]);
  return message;
}

describe.each([
  { what: "chats", schema: ChatRequestSchema, fieldsMin: 150 },
  { what: "embeddings", schema: EmbedRequestSchema, fieldsMin: 15 },
])("C01 each change of a request for $what in which everything is set", ({ schema, fieldsMin }) => {
  const paths = [...pathsOf(schema)];
  const requestOf = (message: ReflectMessage): CallRequest => message.message as CallRequest;

  test("C01 is a change of its key, but for those of the deny-list", async () => {
    expect(paths.length).toBeGreaterThan(fieldsMin);
    const wrong: string[] = [];
    let changes = 0;
    for (const path of paths) {
      const [field] = path.slice(-1);
      if (field === undefined) continue;
      const base = await keyOf(requestOf(maximal(schema, path)));
      const seen = new Map([[base, "the request itself"]]);
      for (const [what, mutate] of mutationsOf(field)) {
        const message = maximal(schema, path);
        mutate(holderOf(message, path));
        const key = await keyOf(requestOf(message));
        const twin = seen.get(key);
        changes++;
        // Who does not want the cache is looked up by nothing.
        if (isSilent(nameOf(path)) ? key !== base && key !== undefined : twin !== undefined)
          wrong.push(`${nameOf(path)}, ${what}: the key of ${twin}`);
        seen.set(key, what);
      }
    }
    expect(wrong).toEqual([]);
    expect(changes).toBeGreaterThan(2 * fieldsMin);
  });

  test("C01 has fields of every kind, and those of the deny-list", () => {
    const names = paths.map(nameOf);
    expect(names).toEqual(expect.arrayContaining(silent.filter((name) => schema === ChatRequestSchema || name !== "metadata")));
    const kinds = new Set(paths.flatMap((path) => path.at(-1)?.fieldKind ?? []));
    expect(kinds).toEqual(new Set(["scalar", "enum", "message", "list", "map"]));
  });

  test("C01 has each of the fields that exclude each other", async () => {
    const choices = paths.filter((path) => path.at(-1)?.oneof !== undefined && path.slice(0, -1).every((each) => each.oneof === undefined));
    const keys = await Promise.all(choices.map((path) => keyOf(requestOf(maximal(schema, path)))));
    // The first of each is in the same request.
    const firsts = new Set(choices.map((path) => path.at(-1)?.oneof)).size;
    expect(choices.length).toBeGreaterThan(1);
    expect(new Set(keys).size).toBe(choices.length - firsts + 1);
  });
});

describe("C01 a body's text by REST", () => {
  let house: House;
  let upstream: Upstream;
  beforeAll(async () => {
    upstream = await createUpstream((reply, { path }) =>
      reply.json(path.endsWith("/embeddings") ? embeddings([[1]]) : completion("hello")),
    );
    house = await openHouse(`
health: {probe: none}
cache: {mode: all}
providers:
  up: {type: openai_compatible, base_url: "${upstream.url}/v1", models: [m, {id: e, kind: embedding}]}
`);
  });
  afterAll(async () => {
    await house[Symbol.asyncDispose]();
    await upstream[Symbol.asyncDispose]();
  });

  const cacheOf = async (path: string, body: string, headers: Readonly<Record<string, string>> = {}): Promise<string | null> => {
    const response = await fetch(`${house.url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", "anthropic-version": "2023-06-01", ...headers },
      body,
    });
    const text = await response.text();
    expect([response.status, text]).toEqual([200, expect.any(String)]);
    return response.headers.get("x-semaroute-cache");
  };

  const chat = "/v1/chat/completions";
  test.each([
    {
      what: "the order of its keys",
      body: '{"temperature":0.5,"x_b":{"k":1},"messages":[{"content":"hi","role":"user"}],"x_a":1,"max_tokens":9,"model":"m"}',
    },
    {
      what: "white space",
      body: '{ "model" : "m",\n\t"messages": [ {"role":"user","content":"hi"} ],"temperature":0.5,"max_tokens":9,"x_a":1,"x_b":{"k":1} }',
    },
    {
      what: "the form of its numbers",
      body: '{"model":"m","messages":[{"role":"user","content":"hi"}],"temperature":5e-1,"max_tokens":9.0,"x_a":1.0,"x_b":{"k":10E-1}}',
    },
    {
      what: "escapes in its texts",
      body: '{"model":"\\u006d","messages":[{"role":"user","content":"h\\u0069"}],"temperature":0.50,"max_tokens":9,"x_a":1,"x_b":{"k":1}}',
    },
    {
      what: "what is null",
      body: '{"model":"m","messages":[{"role":"user","content":"hi"}],"temperature":0.5,"max_tokens":9,"x_a":1,"x_b":{"k":1},"top_p":null,"x_c":null}',
    },
    {
      what: "who may wait how long, and its tags",
      body: '{"model":"m","messages":[{"role":"user","content":"hi"}],"temperature":0.5,"max_tokens":9,"x_a":1,"x_b":{"k":1},"metadata":{"a":"b"}}',
      headers: { "x-semaroute-timeout-ms": "9000", "x-semaroute-tags": "a=b", "x-request-id": "r" },
    },
  ])("C01 finds the answer whatever is $what", async ({ body, headers }) => {
    await cacheOf(chat, '{"model":"m","messages":[{"role":"user","content":"hi"}],"temperature":0.5,"max_tokens":9,"x_a":1,"x_b":{"k":1}}');
    const asked = upstream.requests.length;
    expect([await cacheOf(chat, body, headers), upstream.requests.length]).toEqual(["hit", asked]);
  });

  test.each([
    { path: "/v1/responses", one: '{"model":"m","input":"order","x_a":1,"x_b":2}', other: '{"x_b":2,"x_a":1,"input":"order","model":"m"}' },
    {
      path: "/v1/messages",
      one: '{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"order"}],"x_a":1,"x_b":2}',
      other: '{"x_b":2,"x_a":1,"messages":[{"content":"order","role":"user"}],"max_tokens":9,"model":"m"}',
    },
    {
      path: "/v1/embeddings",
      one: '{"model":"e","input":"order","x_a":1,"x_b":2}',
      other: '{"x_b":2,"x_a":1,"input":"order","model":"e"}',
    },
  ])("C01 finds the answer whatever the order of what nobody knows, by $path", async ({ path, one, other }) => {
    expect([await cacheOf(path, one), await cacheOf(path, other)]).toEqual(["miss", "hit"]);
  });

  /** Fields that nobody knows, wherever a door carries them through. */
  const carried: readonly {
    readonly door: string;
    readonly path: string;
    readonly bodyOf: (extra: object) => Readonly<Record<string, object>>;
  }[] = [
    {
      door: "OpenAI's chat",
      path: chat,
      bodyOf: (extra) => ({
        "the request": { model: "m", messages: [{ role: "user", content: "a" }], ...extra },
        "a message": { model: "m", messages: [{ role: "user", content: "b", ...extra }] },
        "a part": { model: "m", messages: [{ role: "user", content: [{ type: "text", text: "c", ...extra }] }] },
        "a tool": {
          model: "m",
          messages: [{ role: "user", content: "d" }],
          tools: [{ type: "function", function: { name: "t" }, ...extra }],
        },
        "a function": {
          model: "m",
          messages: [{ role: "user", content: "e" }],
          tools: [{ type: "function", function: { name: "t", ...extra } }],
        },
      }),
    },
    {
      door: "OpenAI's responses",
      path: "/v1/responses",
      bodyOf: (extra) => ({
        "the request": { model: "m", input: "a", ...extra },
        "an item": { model: "m", input: [{ role: "user", content: "b", ...extra }] },
        "a part": { model: "m", input: [{ role: "user", content: [{ type: "input_text", text: "c", ...extra }] }] },
      }),
    },
    {
      door: "Anthropic's",
      path: "/v1/messages",
      bodyOf: (extra) => ({
        "the request": { model: "m", max_tokens: 9, messages: [{ role: "user", content: "f" }], ...extra },
        "a block": { model: "m", max_tokens: 9, messages: [{ role: "user", content: [{ type: "text", text: "g", ...extra }] }] },
        "a tool": {
          model: "m",
          max_tokens: 9,
          messages: [{ role: "user", content: "h" }],
          tools: [{ name: "t", input_schema: { type: "object" }, ...extra }],
        },
      }),
    },
    {
      door: "OpenAI's embeddings",
      path: "/v1/embeddings",
      bodyOf: (extra) => ({ "the request": { model: "e", input: "a", ...extra } }),
    },
  ];

  describe.each(carried)("C01 what nobody knows, by $door door", ({ path, bodyOf }) => {
    const extras = [{}, { x_new: 1 }, { x_new: 2 }, { x_new: { deep: [1, 2] } }, { x_new: { deep: [2, 1] } }, { x_other: 1 }];
    test.each(Object.keys(bodyOf({})))("C01 is part of the key in %s", async (place) => {
      const asks = async (): Promise<(string | null)[]> => {
        const told: (string | null)[] = [];
        for (const extra of extras) told.push(await cacheOf(path, JSON.stringify(bodyOf(extra)[place])));
        return told;
      };
      expect(await asks()).toEqual(extras.map(() => "miss"));
      expect(await asks()).toEqual(extras.map(() => "hit"));
    });
  });

  test("C01 is not alone: a beta of Anthropic's that a header names is part of the key", async () => {
    const body = JSON.stringify({ model: "m", max_tokens: 9, messages: [{ role: "user", content: "beta" }] });
    const told: (string | null)[] = [];
    for (const beta of ["one-2025", "two-2025", "one-2025"]) told.push(await cacheOf("/v1/messages", body, { "anthropic-beta": beta }));
    expect(told).toEqual(["miss", "miss", "hit"]);
  });
});
