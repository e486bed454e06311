import { describe, expect, test } from "vitest";

import { ChatError } from "../../../src/core/error.ts";
import { parseCallerJson } from "../../../src/core/json.ts";
import { openaiEmbeddingsDoor } from "../../../src/dialects/openai-embeddings/door.ts";
import { embedRequest } from "../../support/attempt.ts";

const decode = (body: unknown) => openaiEmbeddingsDoor.decodeRequest(parseCallerJson(JSON.stringify(body))).request;

describe("input", () => {
  for (const { what, input, expected } of [
    { what: "a text", input: "one", expected: ["one"] },
    { what: "texts", input: ["one", "two"], expected: ["one", "two"] },
    { what: "a list of tokens", input: [1, 2, 4294967295], expected: [[1, 2, 4294967295]] },
    { what: "lists of tokens", input: [[1], [2, 3]], expected: [[1], [2, 3]] },
    { what: "as many as may be", input: Array.from({ length: 2048 }, () => "a"), expected: Array.from({ length: 2048 }, () => "a") },
    {
      what: "a list of more tokens than that",
      input: Array.from({ length: 3000 }, () => 7),
      expected: [Array.from({ length: 3000 }, () => 7)],
    },
  ]) {
    test(`may be ${what}`, () => expect(decode({ model: "m", input }).inputs).toEqual(embedRequest(expected).inputs));
  }
});

test("every field has its place, and what is not known is kept", () => {
  const body = {
    model: "m",
    input: "a",
    dimensions: 3,
    user: "u-1",
    encoding_format: null,
    truncate: "END",
    nested: { deep: [1] },
    no: null,
  };
  expect(decode(body)).toEqual(
    embedRequest(["a"], {
      model: "m",
      dimensions: 3,
      endUserId: "u-1",
      extensionsJson: { openai: '{"nested":{"deep":[1]},"truncate":"END"}' },
    }),
  );
});

test("digits of unknown integers are kept", () => {
  const body = parseCallerJson('{"model":"m","input":"a","tag":9007199254740993}');
  expect(openaiEmbeddingsDoor.decodeRequest(body).request.extensionsJson).toEqual({ openai: '{"tag":9007199254740993}' });
});

describe("refused", () => {
  for (const { body, field, says } of [
    { body: [], field: "body", says: "must be a JSON object" },
    { body: { input: "a" }, field: "model", says: "is missing" },
    { body: { model: "", input: "a" }, field: "model", says: "must not be empty" },
    { body: { model: 7, input: "a" }, field: "model", says: "must be a string" },
    { body: { model: "m".repeat(257), input: "a" }, field: "model", says: "at most 256" },
    { body: { model: "m" }, field: "input", says: "is missing" },
    { body: { model: "m", input: null }, field: "input", says: "is missing" },
    { body: { model: "m", input: 7 }, field: "input", says: "must be text or tokens" },
    { body: { model: "m", input: { text: "a" } }, field: "input", says: "must be text or tokens" },
    { body: { model: "m", input: "" }, field: "input", says: "must not be empty" },
    { body: { model: "m", input: [] }, field: "input", says: "must not be empty" },
    { body: { model: "m", input: ["a", ""] }, field: "input[1]", says: "must not be empty" },
    { body: { model: "m", input: ["a", 1] }, field: "input[1]", says: "must be a string" },
    { body: { model: "m", input: [null] }, field: "input[0]", says: "must be an array of tokens" },
    { body: { model: "m", input: [[]] }, field: "input[0]", says: "must not be empty" },
    { body: { model: "m", input: [[1], "a"] }, field: "input[1]", says: "must be an array of tokens" },
    { body: { model: "m", input: [1, -1] }, field: "input[1]", says: "must be a token" },
    { body: { model: "m", input: [1.5] }, field: "input[0]", says: "must be a token" },
    { body: { model: "m", input: [[1, 4294967296]] }, field: "input[0][1]", says: "must be a token" },
    { body: { model: "m", input: Array.from({ length: 2049 }, () => "a") }, field: "input", says: "at most 2048" },
    { body: { model: "m", input: "a", dimensions: 0 }, field: "dimensions", says: "above 0" },
    { body: { model: "m", input: "a", dimensions: "3" }, field: "dimensions", says: "above 0" },
    { body: { model: "m", input: "a", encoding_format: "int8" }, field: "encoding_format", says: "float or base64" },
    { body: { model: "m", input: "a", user: 1 }, field: "user", says: "must be a string" },
    { body: { model: "m", input: "a", user: "u".repeat(513) }, field: "user", says: "at most 512" },
  ]) {
    test(`${field} ${says}: ${JSON.stringify(body).slice(0, 60)}`, () => {
      try {
        decode(body);
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(ChatError);
        expect(thrown).toMatchObject({ failure: "INVALID_REQUEST", field, message: expect.stringContaining(says) });
        return;
      }
      throw new Error("it was taken");
    });
  }
});
