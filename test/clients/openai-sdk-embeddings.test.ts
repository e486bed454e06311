/** The official `openai` package's embeddings, unchanged but for its base URL: by default it asks for base64 and decodes without looking. */
import OpenAI, { BadRequestError, InternalServerError, NotFoundError } from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createUpstream, embeddings, type Upstream } from "../support/scripted-upstream.ts";
import { type ServerProcess, startServer } from "../support/server.ts";

const vectors = [
  [0.5, -1.25, 3],
  [0, 0.0078125, -2],
];

const open = new AsyncDisposableStack();
/** Knows only numbers, whatever it is asked for. */
let floats: Upstream;
/** Answers in base64 where it is asked to. */
let base64: Upstream;
let server: ServerProcess;
let openai: OpenAI;

const inputsOf = (body: unknown): readonly unknown[] => {
  const { input } = body as { input: string | readonly unknown[] };
  return typeof input === "string" ? [input] : input;
};

beforeAll(async () => {
  floats = open.use(
    await createUpstream((reply, { body }) => {
      const inputs = inputsOf(body);
      if (inputs[0] === "be broken") reply.error(500);
      else if (inputs[0] === "be refused")
        reply.json({ error: { message: "dimensions are too many", type: "invalid_request_error", param: "dimensions" } }, 400);
      // Out of order, as some do.
      else {
        const answer = embeddings(vectors.slice(0, inputs.length), { region: "eu" }) as { data: unknown[] };
        reply.json({ ...answer, data: answer.data.toReversed() });
      }
    }),
  );
  base64 = open.use(
    await createUpstream((reply, { body }) => {
      const { encoding_format: format } = body as { encoding_format?: string };
      const told = vectors.slice(0, inputsOf(body).length);
      const packed = told.map((vector) => Buffer.from(new Float32Array(vector).buffer).toString("base64"));
      reply.json(embeddings(format === "base64" ? packed : told));
    }),
  );
  server = open.use(
    await startServer(`
health: { probe: none }
cache: { enabled: false }
resilience: { max_attempts: 1 }
providers:
  sim: { type: simulated, first_token: 1ms }
  floats: { type: openai_compatible, base_url: "${floats.url}/v1", models: [nomic-embed-text] }
  base64: { type: openai, base_url: "${base64.url}/v1", api_key: test, models: [text-embedding-3-small] }
`),
  );
  openai = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "any", maxRetries: 0 });
});

afterAll(() => open.disposeAsync());

describe.each(["floats/nomic-embed-text", "base64/text-embedding-3-small"])("over %s", (model) => {
  test("by default vectors are what the upstream said", async () => {
    const answer = await openai.embeddings.create({ model, input: ["a", "b"] });
    expect(answer.data.map(({ index, embedding }) => [index, embedding])).toEqual(vectors.map((vector, i) => [i, vector]));
    expect(answer).toMatchObject({ object: "list", model: model.split("/")[1], usage: { prompt_tokens: 4, total_tokens: 4 } });
  });

  test("as numbers and as base64 they are the same", async () => {
    const float = await openai.embeddings.create({ model, input: "a", encoding_format: "float" });
    expect(float.data).toEqual([{ object: "embedding", index: 0, embedding: vectors[0] }]);
    const packed = await openai.embeddings.create({ model, input: "a", encoding_format: "base64" });
    const bytes = Buffer.from(String(packed.data[0]?.embedding), "base64");
    expect([...new Float32Array(new Uint8Array(bytes).buffer)]).toEqual(vectors[0]);
  });

  test("tokens, dimensions and the end user are passed on, and base64 is asked for only where it is known", async () => {
    await openai.embeddings.create({ model, input: [[1, 2], [3]], dimensions: 3, user: "u-1" });
    const [type] = model.split("/");
    const { body, path } = (type === "floats" ? floats : base64).requests.at(-1) ?? {};
    expect(path).toBe("/v1/embeddings");
    expect(body).toEqual({
      model: model.split("/")[1],
      input: [[1, 2], [3]],
      dimensions: 3,
      user: "u-1",
      ...(type === "base64" && { encoding_format: "base64" }),
    });
  });
});

test("fields we do not know pass in both directions", async () => {
  const params = { model: "floats/nomic-embed-text", input: "a", truncate: "END" };
  expect(await openai.embeddings.create(params)).toMatchObject({ region: "eu" });
  expect(floats.requests.at(-1)?.body).toMatchObject({ truncate: "END" });
});

test("auto is any embedding model, and answers carry the route", async () => {
  const { data, response } = await openai.embeddings.create({ model: "sim-embed", input: "hello", dimensions: 8 }).withResponse();
  expect(data.data[0]?.embedding).toHaveLength(8);
  expect(Object.fromEntries(response.headers)).toMatchObject({
    "x-semaroute-provider": "sim",
    "x-semaroute-model": "sim-embed",
    "x-semaroute-cost-usd": expect.stringMatching(/^0\.\d+$/),
    "server-timing": expect.stringMatching(/^semaroute;dur=/),
  });
  const anyone = await openai.embeddings.create({ model: "auto", input: "hello" }).withResponse();
  expect(anyone.response.headers.get("x-semaroute-model")).toMatch(/embed/);
});

test("errors are the SDK's own", async () => {
  const model = "floats/nomic-embed-text";
  await expect(openai.embeddings.create({ model, input: "" })).rejects.toThrow(BadRequestError);
  await expect(openai.embeddings.create({ model: "sim-chat", input: "a" })).rejects.toThrow(NotFoundError);
  await expect(openai.embeddings.create({ model, input: "be broken" })).rejects.toThrow(InternalServerError);
  await expect(openai.embeddings.create({ model, input: "be refused" })).rejects.toMatchObject({
    status: 400,
    param: "dimensions",
    message: expect.stringContaining("dimensions are too many"),
  });
});
