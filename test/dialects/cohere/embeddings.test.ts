import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { EmbedRequestSchema } from "../../../gen/semaroute/v1/router_pb.ts";
import { cohere } from "../../../src/dialects/cohere/upstream.ts";
import { target, thrownBy } from "./support.ts";

const texts = (...values: string[]) => values.map((value) => ({ input: { case: "text" as const, value } }));
const embed = (init: MessageInitShape<typeof EmbedRequestSchema> = {}) =>
  create(EmbedRequestSchema, { model: "m", inputs: texts("a", "b"), ...init });
const encode = (init: MessageInitShape<typeof EmbedRequestSchema> = {}) => {
  const encoded = cohere.embeddings?.encodeRequest(embed(init), target(), {});
  return { body: JSON.parse(encoded?.body ?? ""), notes: encoded?.notes.map(({ field }) => field) };
};
const decode = (body: unknown) => cohere.embeddings?.decodeResponse(body, embed());

test("texts leave as documents to be found, and want floats back", () => {
  expect(encode()).toEqual({
    body: { model: "command-a-03-2025", input_type: "search_document", embedding_types: ["float"], texts: ["a", "b"] },
    notes: [],
  });
});

test.each([
  { task: "search_query", is: "search_query", notes: [] },
  { task: "RETRIEVAL_QUERY", is: "search_query", notes: [] },
  { task: "RETRIEVAL_DOCUMENT", is: "search_document", notes: [] },
  { task: "CLASSIFICATION", is: "classification", notes: [] },
  { task: "clustering", is: "clustering", notes: [] },
  { task: "SEMANTIC_SIMILARITY", is: "search_document", notes: ["task_type"] },
])("task $task is $is", ({ task, is, notes }) => {
  const encoded = encode({ taskType: task });
  expect([encoded.body.input_type, encoded.notes]).toEqual([is, notes]);
});

test("the caller's own fields pass, and the task that the request names wins over them", () => {
  const extensionsJson = { cohere: '{"input_type":"search_query","truncate":"END"}' };
  expect(encode({ extensionsJson }).body).toMatchObject({ input_type: "search_query", truncate: "END" });
  expect(encode({ extensionsJson, taskType: "clustering" }).body).toMatchObject({ input_type: "clustering", truncate: "END" });
  expect(encode({ extensionsJson: { openai: "{}" }, endUserId: "u" }).notes).toEqual(["end_user_id", "extensions_json.openai"]);
});

test("dimensions have their own name", () => expect(encode({ dimensions: 256 }).body).toMatchObject({ output_dimension: 256 }));

describe("refused is", () => {
  test.each<{ what: string; init: MessageInitShape<typeof EmbedRequestSchema>; failure: string; field: string }>([
    {
      what: "a 97th text",
      init: { inputs: texts(...Array.from({ length: 97 }, () => "a")) },
      failure: "UNSUPPORTED_FEATURE",
      field: "inputs",
    },
    {
      what: "a list of tokens",
      init: { inputs: [...texts("a"), { input: { case: "tokens", value: { ids: [1] } } }] },
      failure: "UNSUPPORTED_FEATURE",
      field: "inputs[1]",
    },
    {
      what: "a field that is ours",
      init: { extensionsJson: { cohere: '{"texts":[]}' } },
      failure: "INVALID_REQUEST",
      field: "extensions_json.cohere.texts",
    },
  ])("$what", ({ init, failure, field }) => expect(thrownBy(() => encode(init))).toMatchObject({ failure, field }));

  test.each<{ what: string; body: unknown }>([
    { what: "no object", body: [] },
    { what: "an answer without embeddings", body: {} },
    { what: "too few of them", body: { embeddings: { float: [[1]] } } },
    { what: "one that is empty", body: { embeddings: { float: [[1], []] } } },
    { what: "one of other things than numbers", body: { embeddings: { float: [[1], ["x"]] } } },
  ])("$what", ({ body }) => expect(thrownBy(() => decode(body)).failure).toBe("UPSTREAM_PROTOCOL"));
});

test("vectors come in the order of the texts, with what they cost", () => {
  const body = {
    id: "da6e531f-54c5-4a73-bf92-f60566d8d753",
    embeddings: {
      float: [
        [0.25, -1],
        [0.5, 2],
      ],
    },
    texts: ["a", "b"],
    meta: { api_version: { version: "2" }, billed_units: { input_tokens: 2 } },
    response_type: "embeddings_by_type",
  };
  expect(decode(body)).toMatchObject({
    embeddings: [
      { index: 0, values: [0.25, -1] },
      { index: 1, values: [0.5, 2] },
    ],
    usage: { inputTokens: 2, outputTokens: 0, totalTokens: 2 },
  });
  expect(decode({ embeddings: [[1], [2]] })?.usage).toBeUndefined();
});
