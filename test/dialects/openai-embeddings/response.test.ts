import { array, assert, constant, float, integer, nat, oneof, property, record, string } from "fast-check";
import { describe, expect, test } from "vitest";

import { embedResponse, usageOf } from "../../../src/core/chat.ts";
import { openaiEmbeddingsDoor } from "../../../src/dialects/openai-embeddings/door.ts";
import { openaiEmbeddings } from "../../../src/dialects/openai-embeddings/upstream.ts";
import { base64FromVector, vectorFromBase64 } from "../../../src/dialects/openai-embeddings/vector.ts";
import { embedRequest, embedTarget } from "../../support/attempt.ts";

const usage = { prompt_tokens: 5, total_tokens: 5 };
const one = embedRequest(["a"]);
const two = embedRequest(["a", "b"]);
const item = (embedding: unknown, index?: unknown) => ({ object: "embedding", embedding, ...(index !== undefined && { index }) });
const list = (...data: unknown[]) => ({ object: "list", model: "real", data, usage });

describe("an upstream's answer", () => {
  test("is read as numbers and as base64, and put in order", () => {
    const expected = embedResponse(
      "real",
      [
        [0.5, -1],
        [2, 0.25],
      ],
      usageOf(5, 0),
    );
    expect(openaiEmbeddings.decodeResponse(list(item([2, 0.25], 1), item([0.5, -1], 0)), two)).toEqual(expected);
    const base64 = list(item(base64FromVector([0.5, -1]), 0), item(base64FromVector([2, 0.25]), 1));
    expect(openaiEmbeddings.decodeResponse(base64, two)).toEqual(expected);
  });

  test("may leave out indices and usage, and count in odd ways", () => {
    expect(openaiEmbeddings.decodeResponse({ data: [item([1]), item([2])] }, two)).toEqual(embedResponse("", [[1], [2]], undefined));
    expect(openaiEmbeddings.decodeResponse({ data: [item([1])], usage: { total_tokens: 3.7 } }, one).usage).toEqual(usageOf(3, 0));
    expect(openaiEmbeddings.decodeResponse({ data: [item([1])], usage: { prompt_tokens: -1 } }, one).usage).toBeUndefined();
  });

  for (const { what, body } of [
    { what: "no object", body: "vectors" },
    { what: "no data", body: { object: "list" } },
    { what: "too few", body: list() },
    { what: "too many", body: list(item([1]), item([2])) },
    { what: "an item that is no object", body: list([1]) },
    { what: "no vector", body: list(item(undefined)) },
    { what: "an empty vector", body: list(item([])) },
    { what: "an empty text", body: list(item("")) },
    { what: "a vector of other things", body: list(item([1, "2"])) },
    { what: "base64 of no whole number of floats", body: list(item("AAAA")) },
    { what: "what is no base64", body: list(item("!!!!AAAA")) },
    { what: "a float that is no number", body: list(item(Buffer.from([0, 0, 0xc0, 0x7f]).toString("base64"))) },
    { what: "an index beyond", body: list(item([1], 1)) },
    { what: "an index that is none", body: list(item([1], "0")) },
  ]) {
    test(`with ${what} is none`, () => {
      expect(() => openaiEmbeddings.decodeResponse(body, one)).toThrow(expect.objectContaining({ failure: "UPSTREAM_PROTOCOL" }));
    });
  }

  test("with one index twice, or vectors of two lengths, is none", () => {
    for (const body of [list(item([1], 0), item([2], 0)), list(item([1]), item([2, 3]))])
      expect(() => openaiEmbeddings.decodeResponse(body, two)).toThrow(expect.objectContaining({ failure: "UPSTREAM_PROTOCOL" }));
  });

  test("never tells what it held", () => {
    for (const body of [list(item("the heron reads")), list(item([1, "the heron reads"]))]) {
      try {
        openaiEmbeddings.decodeResponse(body, one);
      } catch (thrown) {
        expect(String(thrown)).not.toContain("heron");
      }
    }
  });
});

describe("our answer", () => {
  const response = embedResponse("m", [[0.5, -1]], usageOf(5, 0));
  const asked = (format?: string) =>
    JSON.parse(openaiEmbeddingsDoor.decodeRequest({ model: "m", input: "a", encoding_format: format }).whole(response));

  test("is in OpenAI's shape, with numbers unless base64 was asked for", () => {
    const expected = { object: "list", data: [{ object: "embedding", index: 0, embedding: [0.5, -1] }], model: "m", usage };
    expect(asked()).toEqual(expected);
    expect(asked("float")).toEqual(expected);
    expect(asked("base64").data[0].embedding).toBe("AAAAPwAAgL8=");
  });
});

describe("both ways", () => {
  test("what an upstream says beyond the language comes back, and overrides nothing", () => {
    const said = { ...list(item([1], 0)), id: "x", cost: { eur: 1 }, usage: { ...usage, audio_seconds: 2 } };
    const decoded = openaiEmbeddings.decodeResponse(said, one);
    const back = JSON.parse(openaiEmbeddingsDoor.decodeRequest({ model: "m", input: "a" }).whole(decoded));
    const { id: _ours, ...rest } = said;
    expect(back).toEqual(rest);
    decoded.extensionsJson = { openai: '{"data":"mine","object":"mine"}' };
    expect(JSON.parse(openaiEmbeddingsDoor.decodeRequest({ model: "m", input: "a" }).whole(decoded))).toMatchObject({
      object: "list",
      data: [{ index: 0 }],
    });
  });

  test("a request is the same again at an upstream of the language", () => {
    const inputs = oneof(
      string({ minLength: 1 }),
      array(string({ minLength: 1 }), { minLength: 2 }),
      array(array(nat(), { minLength: 1 }), { minLength: 1 }),
    );
    const body = record(
      { model: constant("sim-embed"), input: inputs, dimensions: integer({ min: 1 }), user: string({ minLength: 1 }) },
      { requiredKeys: ["model", "input"] },
    );
    assert(
      property(body, (said) => {
        const { request } = openaiEmbeddingsDoor.decodeRequest(said);
        const target = embedTarget({ upstreamModel: said.model });
        expect(JSON.parse(openaiEmbeddings.encodeRequest(request, target, { tokenInput: true }).body)).toEqual(said);
      }),
    );
  });

  test("a vector of float32 is the same after base64", () => {
    const number = float({ noNaN: true, noDefaultInfinity: true });
    assert(
      property(array(number, { minLength: 1 }), (vector) => {
        expect(vectorFromBase64(base64FromVector(vector))).toEqual(vector);
      }),
    );
  });
});
