import { describe, expect, test } from "vitest";

import type { EmbedRequest } from "../../../src/core/chat.ts";
import type { Quirks } from "../../../src/core/dialect.ts";
import { openaiEmbeddings } from "../../../src/dialects/openai-embeddings/upstream.ts";
import { hosts } from "../../../src/providers/hosts.ts";
import { embedRequest, embedTarget } from "../../support/attempt.ts";

const target = embedTarget({ upstreamModel: "embed-real" });

function encode(request: EmbedRequest, quirks: Quirks = {}) {
  const { body, notes } = openaiEmbeddings.encodeRequest(request, target, quirks);
  return { body: JSON.parse(body), notes: notes.map(({ field, action }) => `${action} ${field}`) };
}

test("a lone text is sent as it is, several as a list", () => {
  expect(encode(embedRequest(["one"]))).toEqual({ body: { model: "embed-real", input: "one" }, notes: [] });
  expect(encode(embedRequest(["one", "two"])).body.input).toEqual(["one", "two"]);
});

test("tokens are lists in a list", () => {
  expect(encode(embedRequest([[1, 2]]), { tokenInput: true }).body.input).toEqual([[1, 2]]);
  expect(encode(embedRequest([[1], [2, 3]]), { tokenInput: true }).body.input).toEqual([[1], [2, 3]]);
});

test("every field is sent; base64 only to hosts that have it", () => {
  const request = embedRequest(["a"], { dimensions: 4, endUserId: "u", extensionsJson: { openai: '{"truncate":"END"}' } });
  const body = { model: "embed-real", input: "a", dimensions: 4, user: "u", truncate: "END" };
  expect(encode(request)).toEqual({ body, notes: [] });
  expect(encode(request, { base64Vectors: true }).body).toEqual({ ...body, encoding_format: "base64" });
});

test("what the language or the host has not is dropped, and told", () => {
  const request = embedRequest(["a"], {
    taskType: "search_query",
    endUserId: "u",
    dimensions: 4,
    extensionsJson: { openai: '{"truncate":"END"}', cohere: "{}" },
  });
  expect(encode(request, hosts.mistral.quirks)).toEqual({
    body: { model: "embed-real", input: "a", output_dimension: 4 },
    notes: ["1 extensions_json.cohere", "1 truncate", "1 task_type", "1 end_user_id"],
  });
});

test("extra fields decide nothing that the gateway decides", () => {
  const openai = JSON.stringify({
    model: "x",
    input: "x",
    user: "x",
    encoding_format: "bytes",
    output_dtype: "int8",
    dimensions: 9,
    fine: 1,
  });
  const { body, notes } = encode(embedRequest(["a"], { extensionsJson: { openai } }));
  expect(body).toEqual({ model: "embed-real", input: "a", fine: 1 });
  expect(notes).toHaveLength(6);
});

test("digits of extra integers are kept", () => {
  const request = embedRequest(["a"], { extensionsJson: { openai: '{"tag":9007199254740993}' } });
  expect(openaiEmbeddings.encodeRequest(request, target, {}).body).toContain('"tag":9007199254740993');
});

describe("token arrays", () => {
  for (const type of ["mistral", "together", "ollama"] as const) {
    test(`cannot be sent to ${type}`, () => {
      expect(() => encode(embedRequest(["a", [1]]), hosts[type].quirks)).toThrow(
        expect.objectContaining({ failure: "UNSUPPORTED_FEATURE", field: "input" }),
      );
    });
  }
  for (const type of ["openai", "openrouter", "openai_compatible", "vllm"] as const) {
    test(`are sent to ${type}`, () => expect(encode(embedRequest([[1]]), hosts[type].quirks).body.input).toEqual([[1]]));
  }
});

test("the same request is always the same body", () => {
  const request = embedRequest(["a", "b"], { extensionsJson: { openai: '{"b":1,"a":2}' } });
  expect(openaiEmbeddings.encodeRequest(request, target, {})).toEqual(openaiEmbeddings.encodeRequest(request, target, {}));
});
