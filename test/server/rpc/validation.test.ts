import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { createValidator, RuntimeError, type Validator } from "@bufbuild/protovalidate";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";

import { BadRequestSchema, ErrorInfoSchema } from "../../../gen/google/rpc/error_details_pb.ts";
import { RouterService } from "../../../gen/semaroute/v1/router_pb.ts";
import { ChatRequestSchema, ChatResponseSchema, Role, ToolChoice_Mode } from "../../../src/core/chat.ts";
import { ChatError } from "../../../src/core/error.ts";
import { errorDetails } from "../../../src/server/rpc/error-details.ts";
import { createWarmValidator, refuseReservedExtensions, validation } from "../../../src/server/rpc/validation.ts";

const request = { model: "m", messages: [{ role: Role.USER, text: "a secret prompt" }] };

function clientWith(validator: Validator) {
  const transport = createRouterTransport(
    (router) =>
      router.service(RouterService, {
        chat: () => create(ChatResponseSchema, { id: "good" }),
        async *streamChat() {
          yield { event: { case: "heartbeat", value: {} } };
        },
      }),
    { router: { interceptors: [errorDetails, validation(validator)] } },
  );
  return createClient(RouterService, transport);
}

async function errorOf(act: () => Promise<unknown>): Promise<ConnectError | undefined> {
  try {
    await act();
    return undefined;
  } catch (error) {
    return ConnectError.from(error);
  }
}

describe("the rules of the .proto", () => {
  const client = clientWith(createWarmValidator([RouterService]));
  test("let good requests pass, unary and streamed", async () => {
    expect((await client.chat(request)).id).toBe("good");
    for await (const { event } of client.streamChat(request)) expect(event.case).toBe("heartbeat");
  });
  test.each(["unary", "streamed"])("name every broken field, %s", async (kind) => {
    const broken = { ...request, model: "", n: 1000, toolChoice: { mode: ToolChoice_Mode.REQUIRED } };
    const error = await errorOf(async () => {
      if (kind === "unary") await client.chat(broken);
      else for await (const _ of client.streamChat(broken));
    });
    expect(error?.code).toBe(Code.InvalidArgument);
    expect(error?.findDetails(ErrorInfoSchema)).toMatchObject([{ reason: "INVALID_REQUEST" }]);
    const fields = error?.findDetails(BadRequestSchema)[0]?.fieldViolations.map(({ field }) => field);
    expect(fields?.toSorted()).toEqual(["", "model", "n"]);
    expect(error?.rawMessage).toMatch(/, and 2 more$/);
    expect(error?.details).toHaveLength(2);
  });
  test("a rule that cannot be evaluated is our fault", async () => {
    const broken: Validator = {
      validate: (_schema, message) => ({ kind: "error", message, error: new RuntimeError("bad rule"), violations: undefined }),
    };
    const error = await errorOf(() => clientWith(broken).chat(request));
    expect(error?.code).toBe(Code.Internal);
    expect(error?.rawMessage).toBe("internal error");
  });
  test("a handler's own errors pass unchanged", async () => {
    const transport = createRouterTransport(
      (router) =>
        router.service(RouterService, {
          chat() {
            throw new ChatError("SHED", "the house is full");
          },
        }),
      { router: { interceptors: [errorDetails, validation(createValidator())] } },
    );
    const error = await errorOf(() => createClient(RouterService, transport).chat(request));
    expect(error?.code).toBe(Code.Unavailable);
    expect(error?.rawMessage).toBe("the house is full");
  });
});

function check(init: MessageInitShape<typeof ChatRequestSchema>): ChatError | undefined {
  try {
    refuseReservedExtensions(create(ChatRequestSchema, init));
    return undefined;
  } catch (error) {
    if (error instanceof ChatError) return error;
    throw error;
  }
}

describe("extensions", () => {
  test("that decide nothing pass", () => {
    const extensionsJson = { openai: '{"logit_bias":{"1":2},"prediction":{"type":"content"}}', google: '{"generationConfig":{"topK":3}}' };
    expect(check({ ...request, extensionsJson })).toBeUndefined();
    expect(check(request)).toBeUndefined();
  });
  const reserved: readonly [issuer: string, json: object, field: string][] = [
    ...[
      "model",
      "models",
      "provider",
      "route",
      "messages",
      "input",
      "system",
      "contents",
      "tools",
      "tool_choice",
      "functions",
      "stream",
    ].map((key): [string, object, string] => ["openai", { [key]: 1 }, `extensions_json.openai.${key}`]),
    ...["stream_options", "n", "max_tokens", "max_completion_tokens", "max_output_tokens", "store", "user", "safety_identifier"].map(
      (key): [string, object, string] => ["openai", { ok: 1, [key]: null }, `extensions_json.openai.${key}`],
    ),
    ["google", { systemInstruction: {} }, "extensions_json.google.systemInstruction"],
    ["google", { generationConfig: { topK: 1, maxOutputTokens: 1 } }, "extensions_json.google.generationConfig.maxOutputTokens"],
    ["google", { generation_config: { candidate_count: 1 } }, "extensions_json.google.generation_config.candidate_count"],
    ["anthropic", { metadata: { user_id: "u" } }, "extensions_json.anthropic.metadata.user_id"],
  ];
  test.each(reserved)("of %s that say %j are refused", (issuer, json, field) => {
    const error = check({ ...request, extensionsJson: { [issuer]: JSON.stringify(json) } });
    expect(error?.failure).toBe("INVALID_REQUEST");
    expect(error?.field).toBe(field);
  });
  test.each(["", "{", "[]", "1", "null", '"secret"', "[".repeat(100) + "]".repeat(100)])(
    "that are %j are refused, and not repeated",
    (text) => {
      const error = check({ ...request, extensionsJson: { openai: text } });
      expect(error?.failure).toBe("INVALID_REQUEST");
      expect(error?.field).toBe("extensions_json.openai");
      expect(error?.message).not.toContain("secret");
    },
  );
  test("of messages, parts and tools are JSON objects too", () => {
    const bad = { openai: "[]" };
    const part = { part: { case: "text" as const, value: { text: "x" } } };
    expect(check({ model: "m", messages: [{}, { extensionsJson: bad }] })?.field).toBe("messages[1].extensions_json.openai");
    expect(check({ model: "m", messages: [{ content: [part, { ...part, extensionsJson: bad }] }] })?.field).toBe(
      "messages[0].content[1].extensions_json.openai",
    );
    expect(check({ model: "m", tools: [{ extensionsJson: bad }] })?.field).toBe("tools[0].extensions_json.openai");
    expect(check({ model: "m", messages: [{ extensionsJson: { openai: '{"model":"inside a message"}' } }] })).toBeUndefined();
  });
});
