import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { ModelSchema } from "../../../gen/semaroute/v1/router_pb.ts";
import { anthropicModel, anthropicPage } from "../../../src/server/rest/models-anthropic.ts";

const models = Array.from({ length: 45 }, (_, i) => create(ModelSchema, { id: `m${i}` }));
const page = (query: string) => anthropicPage(models, new URLSearchParams(query));

describe("a page", () => {
  test.each([
    { query: "", first: "m0", last: "m19", more: true },
    { query: "limit=1000", first: "m0", last: "m44", more: false },
    { query: "after_id=m19", first: "m20", last: "m39", more: true },
    { query: "after_id=m39", first: "m40", last: "m44", more: false },
    { query: "after_id=m44", first: null, last: null, more: false },
    { query: "before_id=m5", first: "m0", last: "m4", more: false },
    { query: "before_id=m5&limit=2", first: "m3", last: "m4", more: true },
    { query: "before_id=m0", first: null, last: null, more: false },
    { query: "after_id=&before_id=", first: "m0", last: "m19", more: true },
  ])("by '$query'", ({ query, first, last, more }) => {
    expect(page(query)).toMatchObject({ first_id: first, last_id: last, has_more: more });
  });

  test.each(["limit=0", "limit=1001", "limit=x", "limit=-1", "after_id=nobody", "before_id=nobody", "after_id=m1&before_id=m5"])(
    "by '%s' is refused",
    (query) => {
      expect(() => page(query)).toThrow(expect.objectContaining({ failure: "INVALID_REQUEST" }));
    },
  );

  test("of nothing has no first and no last", () => {
    expect(anthropicPage([], new URLSearchParams())).toEqual({ data: [], has_more: false, first_id: null, last_id: null });
  });
});

test("a model has its times and limits", () => {
  const model = create(ModelSchema, {
    id: "m",
    displayName: "M",
    createTime: { seconds: 1_790_000_000n },
    capabilities: { contextTokens: 200_000, maxOutputTokens: 64_000 },
  });
  expect(anthropicModel(model)).toEqual({
    type: "model",
    id: "m",
    display_name: "M",
    created_at: "2026-09-21T14:13:20Z",
    max_input_tokens: 200_000,
    max_tokens: 64_000,
  });
});
