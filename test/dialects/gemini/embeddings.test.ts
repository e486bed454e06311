import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { EmbedRequestSchema } from "../../../gen/semaroute/v1/router_pb.ts";
import { embeddings } from "../../../src/dialects/gemini/embeddings.ts";
import { counting } from "../../../src/dialects/gemini/counting.ts";
import { gemini } from "../../../src/dialects/gemini/upstream.ts";
import { chatRequest, system, target, text, thrownBy, user } from "./support.ts";

const model = target("gemini-embedding-001");
const embedRequest = (init: MessageInitShape<typeof EmbedRequestSchema> = {}) =>
  create(EmbedRequestSchema, {
    model: "auto",
    inputs: [{ input: { case: "text", value: "a" } }, { input: { case: "text", value: "b" } }],
    ...init,
  });

test("the language has both abilities", () => {
  expect([gemini.embeddings, gemini.counting]).toEqual([embeddings, counting]);
});

describe("embeddings", () => {
  test("are asked for in one batch", () => {
    const { body, notes } = embeddings.encodeRequest(embedRequest({ dimensions: 256, taskType: "search_query" }), model, {});
    const shared = { model: "models/gemini-embedding-001", taskType: "RETRIEVAL_QUERY", outputDimensionality: 256 };
    expect(JSON.parse(body)).toEqual({ requests: ["a", "b"].map((each) => ({ ...shared, content: { parts: [{ text: each }] } })) });
    expect(notes).toEqual([]);
  });

  test.each([
    { word: "", sent: undefined, notes: 0 },
    { word: "search_document", sent: "RETRIEVAL_DOCUMENT", notes: 0 },
    { word: "classification", sent: "CLASSIFICATION", notes: 0 },
    { word: "CODE_RETRIEVAL_QUERY", sent: "CODE_RETRIEVAL_QUERY", notes: 0 },
    { word: "poetry", sent: undefined, notes: 1 },
  ])("for the task $word are for $sent", ({ word, sent, notes }) => {
    const encoded = embeddings.encodeRequest(embedRequest({ taskType: word }), model, {});
    expect(JSON.parse(encoded.body).requests[0].taskType).toBe(sent);
    expect(encoded.notes).toHaveLength(notes);
  });

  test("take what only Google knows, below ours", () => {
    const { body, notes } = embeddings.encodeRequest(
      embedRequest({ extensionsJson: { google: `{"title":"t","model":"x"}` }, endUserId: "u" }),
      model,
      {},
    );
    expect(JSON.parse(body).requests[0]).toMatchObject({ title: "t", model: "models/gemini-embedding-001" });
    expect(notes.map(({ field }) => field)).toEqual(["end_user_id"]);
  });

  test("are refused for tokens, and for more than a hundred inputs", () => {
    const tokens = embedRequest({ inputs: [{ input: { case: "tokens", value: { ids: [1] } } }] });
    expect(thrownBy(() => embeddings.encodeRequest(tokens, model, {}))).toMatchObject({
      failure: "UNSUPPORTED_FEATURE",
      field: "inputs[0].tokens",
    });
    const inputs = Array.from({ length: 101 }, () => ({ input: { case: "text" as const, value: "a" } }));
    expect(thrownBy(() => embeddings.encodeRequest(embedRequest({ inputs }), model, {}))).toMatchObject({
      failure: "UNSUPPORTED_FEATURE",
      field: "inputs",
    });
    expect(JSON.parse(embeddings.encodeRequest(embedRequest({ inputs: inputs.slice(1) }), model, {}).body).requests).toHaveLength(100);
  });

  test("come one for each input, with usage where it is told", () => {
    const body = { embeddings: [{ values: [0.5, 1] }, { values: [-1] }] };
    const response = embeddings.decodeResponse(body, embedRequest());
    expect(response).toMatchObject({
      embeddings: [
        { index: 0, values: [0.5, 1] },
        { index: 1, values: [-1] },
      ],
    });
    expect(response.usage).toBeUndefined();
    expect(embeddings.decodeResponse({ ...body, usageMetadata: { promptTokenCount: 7 } }, embedRequest()).usage).toMatchObject({
      inputTokens: 7,
      outputTokens: 0,
    });
  });

  test.each([
    { body: 3, failure: "UPSTREAM_PROTOCOL" },
    { body: {}, failure: "UPSTREAM_PROTOCOL" },
    { body: { embeddings: [{ values: [1] }] }, failure: "UPSTREAM_PROTOCOL" },
    { body: { embeddings: [{ values: [1] }, {}] }, failure: "UPSTREAM_PROTOCOL" },
    { body: { embeddings: [{ values: [1] }, { values: [] }] }, failure: "UPSTREAM_PROTOCOL" },
    { body: { embeddings: [{ values: [1] }, { values: ["1"] }] }, failure: "UPSTREAM_PROTOCOL" },
    { body: { error: { code: 429, status: "RESOURCE_EXHAUSTED" } }, failure: "RATE_LIMITED" },
  ])("are not in $body", ({ body, failure }) => {
    expect(thrownBy(() => embeddings.decodeResponse(body, embedRequest())).failure).toBe(failure);
  });
});

describe("counting", () => {
  test("asks for the whole request, instructions and tools included", () => {
    const request = chatRequest({
      messages: [system(text("s")), user(text("q"))],
      tools: [{ kind: { case: "function", value: { name: "f" } } }],
    });
    expect(JSON.parse(counting.encodeRequest(request, target("gemini-2.5-flash"), {}).body)).toEqual({
      generateContentRequest: {
        model: "models/gemini-2.5-flash",
        tools: [{ functionDeclarations: [{ name: "f" }] }],
        systemInstruction: { parts: [{ text: "s" }] },
        contents: [{ role: "user", parts: [{ text: "q" }] }],
      },
    });
  });

  test("reads the sum, and nothing else", () => {
    expect(counting.decodeResponse({ totalTokens: 31, promptTokensDetails: [] })).toBe(31);
    for (const body of [3, {}, { totalTokens: "3" }, { totalTokens: -1 }, { totalTokens: 0.5 }])
      expect(thrownBy(() => counting.decodeResponse(body)).failure).toBe("UPSTREAM_PROTOCOL");
    expect(thrownBy(() => counting.decodeResponse({ error: { code: 404, status: "NOT_FOUND" } })).failure).toBe("MODEL_NOT_FOUND");
  });
});
