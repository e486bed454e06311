/** Fields that a target cannot honour: told alike everywhere, and with `require` a reason to go elsewhere, or a 400 that names them. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ChatRequestSchema, TranslationAction, UnsupportedFieldPolicy } from "../../src/core/chat.ts";
import { completion, createUpstream, streamText, type Upstream, type UpstreamHandler } from "../support/scripted-upstream.ts";
import { doorClients, Refused, refusal, routerClient } from "./doors.ts";
import { type House, openHouse } from "./house.ts";

const isStreamed = (body: unknown): boolean => typeof body === "object" && body !== null && "stream" in body && body.stream === true;
const openai: UpstreamHandler = (reply, { body }) =>
  isStreamed(body) ? streamText(reply, ["from openai"]) : reply.json(completion("from openai"));
const anthropic: UpstreamHandler = (reply, { body }) => {
  const message = {
    id: "m",
    type: "message",
    role: "assistant",
    model: "c",
    content: [],
    stop_reason: null,
    usage: { input_tokens: 1, output_tokens: 1 },
  };
  if (!isStreamed(body)) return reply.json({ ...message, content: [{ type: "text", text: "from anthropic" }], stop_reason: "end_turn" });
  return reply
    .sse()
    .data({ type: "message_start", message }, "message_start")
    .data({ type: "content_block_start", index: 0, content_block: { type: "text", text: "" } }, "content_block_start")
    .data({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "from anthropic" } }, "content_block_delta")
    .data({ type: "content_block_stop", index: 0 }, "content_block_stop")
    .data({ type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 2 } }, "message_delta")
    .data({ type: "message_stop" }, "message_stop")
    .end();
};

let upstreams: { readonly openai: Upstream; readonly anthropic: Upstream };
const houses = new Map<string, House>();
const configOf = (policy: string): string => `
server: {port: 0}
health: {probe: none}
cache: {enabled: false}
unsupported_fields: ${policy}
routing_policy: {type: cost_based, config: {cost_weight: 1, latency_weight: 0, health_weight: 0}}
models: {both: {targets: [claude/c, gpt/g]}, claude-alone: {targets: [claude/c]}}
providers:
  claude: {type: anthropic, base_url: "${upstreams.anthropic.url}", api_key: sk-ant-for-tests, models: [{id: c, upstream: claude-sonnet-4-5, input_price: 1, output_price: 1}]}
  gpt: {type: openai_compatible, base_url: "${upstreams.openai.url}/v1", models: [{id: g, input_price: 2, output_price: 2}]}
`;
beforeAll(async () => {
  upstreams = { openai: await createUpstream(openai), anthropic: await createUpstream(anthropic) };
  for (const policy of ["drop", "require"]) houses.set(policy, await openHouse(configOf(policy)));
});
afterAll(async () => {
  for (const house of houses.values()) await house[Symbol.asyncDispose]();
  await upstreams.openai.close();
  await upstreams.anthropic.close();
});
const urlOf = (policy: string): string => houses.get(policy)?.url ?? "";

/** REST and gRPC, whole and streamed, each in its own words: a seed, and a penalty. */
const asks = doorClients
  .filter(({ door }) => door === "openai" || door === "grpc" || door === "connect")
  .map(({ name, door, streamed }) => ({
    name,
    ask: door === "openai" ? restAsk(streamed) : rpcAsk(door === "grpc" ? "grpc" : "connect", streamed),
  }));

interface Told {
  readonly text: string;
  /** `dropped:sampling.seed` and so on, as the header has it. */
  readonly header: string | null;
  /** The same, made of RouteInfo; undefined: this door has none. */
  readonly route?: string;
}
interface Question {
  readonly model: string;
  readonly seed?: true;
  /** By RoutingOptions; REST has no word for it. */
  readonly policy?: UnsupportedFieldPolicy;
}

function restAsk(stream: boolean) {
  return async (url: string, { model, seed }: Question): Promise<Told> => {
    const body = {
      model,
      messages: [{ role: "user", content: "q" }],
      ...(seed && { seed: 7, frequency_penalty: 1 }),
      ...(stream && { stream }),
    };
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (response.status !== 200) {
      const { error } = JSON.parse(text);
      throw new Refused({
        status: response.status,
        word: `${error.code} ${error.param}`,
        text: "",
        headers: response.headers,
        body: error.message,
      });
    }
    return { text: /from \w+/.exec(text)?.[0] ?? "", header: response.headers.get("x-semaroute-notes") };
  };
}

const words = new Map<number, string>(Object.entries(TranslationAction).map(([name, value]) => [value, name.toLowerCase()]));
const shown = (notes: readonly { readonly field: string; readonly action: TranslationAction }[] = []): string =>
  notes.map(({ field, action }) => `${words.get(action)}:${field}`).join(", ");

function requestOf({ model, seed, policy }: Question) {
  const init: MessageInitShape<typeof ChatRequestSchema> = { model, messages: [{ role: 2, text: "q" }] };
  return create(ChatRequestSchema, {
    ...init,
    ...(seed && { sampling: { seed: 7n, frequencyPenalty: 1 } }),
    ...(policy !== undefined && { routing: { unsupportedFields: policy } }),
  });
}

function rpcAsk(protocol: "grpc" | "connect", stream: boolean) {
  return async (url: string, question: Question): Promise<Told> => {
    let header: string | null = null;
    const onHeader = (headers: Headers): void => {
      header = headers.get("x-semaroute-notes") ?? header;
    };
    const client = routerClient(url, protocol);
    if (!stream) {
      const { choices, route } = await client.chat(requestOf(question), { onHeader });
      return { text: choices[0]?.message?.text ?? "", header, route: shown(route?.notes) };
    }
    let text = "";
    let route = "";
    for await (const { event } of client.streamChat(requestOf(question), { onHeader })) {
      if (event.case === "partDelta" && event.value.delta.case === "text") text += event.value.delta.value;
      if (event.case === "completed") route = shown(event.value.route?.notes);
    }
    return { text, header, route };
  };
}

const told = "dropped:sampling.frequency_penalty, dropped:sampling.seed";

describe.each(asks)("$name", ({ name, ask }) => {
  const isRest = name === "REST" || name === "SSE";

  test("what was dropped is told, in the header as in RouteInfo as in Explain", async () => {
    const { text, header, route } = await ask(urlOf("drop"), { model: "both", seed: true });
    expect([text, header]).toEqual(["from anthropic", told]);
    if (!isRest) expect(route).toBe(told);
    const { candidates } = await routerClient(urlOf("drop"), "grpc").explain({ request: requestOf({ model: "both", seed: true }) });
    expect(candidates.map(({ provider, notes }) => [provider, shown(notes)])).toEqual([
      ["claude", told],
      ["gpt", ""],
    ]);
  });

  test("nothing is told where nothing was dropped", async () => {
    expect(await ask(urlOf("drop"), { model: "both" })).toMatchObject({ text: "from anthropic", header: null });
  });

  test("with `require` a target that would drop is not asked", async () => {
    expect(await ask(urlOf("require"), { model: "both", seed: true })).toMatchObject({ text: "from openai", header: null });
    expect(await ask(urlOf("require"), { model: "both" })).toMatchObject({ text: "from anthropic" });
  });

  test("with `require` and nobody left, the answer is a 400 that names the field", async () => {
    const asked = upstreams.anthropic.requests.length;
    const question = { model: "claude-alone", seed: true } as const;
    if (isRest) {
      const { status, word, body } = await refusal(ask(urlOf("require"), question));
      expect([status, word]).toEqual([400, "unsupported_parameter frequency_penalty"]);
      expect(body).toContain("cannot honour sampling.frequency_penalty");
    } else {
      await expect(ask(urlOf("require"), question)).rejects.toMatchObject({
        code: 3,
        message: expect.stringContaining("sampling.frequency_penalty"),
      });
    }
    expect(upstreams.anthropic.requests).toHaveLength(asked);
  });

  test.skipIf(isRest)("a call may wish otherwise than the server, both ways", async () => {
    const { DROP, REQUIRE } = UnsupportedFieldPolicy;
    expect(await ask(urlOf("require"), { model: "both", seed: true, policy: DROP })).toMatchObject({
      text: "from anthropic",
      header: told,
    });
    expect(await ask(urlOf("drop"), { model: "both", seed: true, policy: REQUIRE })).toMatchObject({ text: "from openai" });
    await expect(ask(urlOf("drop"), { model: "claude-alone", seed: true, policy: REQUIRE })).rejects.toMatchObject({ code: 3 });
  });
});
