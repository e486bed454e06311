import { expect } from "vitest";
import { type Body, type DoorName } from "./doors.ts";
import { tableOf } from "./table.ts";

const schema = { type: "object", properties: { a: { type: "string" } }, required: ["a"], additionalProperties: false };

/** Functions of these names, in each door's words. */
function asked(names: readonly string[], rest: Readonly<Partial<Record<DoorName, Body>>> = {}): Readonly<Record<DoorName, Body>> {
  return {
    chat: { tools: names.map((name) => ({ type: "function", function: { name, description: "d", parameters: schema } })), ...rest.chat },
    responses: {
      tools: names.map((name) => ({ type: "function", name, description: "d", parameters: schema, strict: false })),
      ...rest.responses,
    },
    messages: { tools: names.map((name) => ({ name, description: "d", input_schema: schema })), ...rest.messages },
  };
}

const call = { name: "f", text: '{"b":1,"a":12345678901234567890}' };
const long = "n".repeat(100);
const short = `${"n".repeat(55)}_`;

tableOf("6.3 tools", [
  {
    name: "6.3 definition",
    asked: asked(["f"]),
    at: {
      "openai-chat": { wire: { tools: [{ type: "function", function: { name: "f", description: "d", parameters: schema } }] } },
      "openai-responses": { wire: { tools: [{ type: "function", name: "f", description: "d", parameters: schema, strict: false }] } },
      "anthropic-messages": { wire: { tools: [{ name: "f", description: "d", input_schema: schema }] } },
      gemini: { wire: { tools: [{ functionDeclarations: [{ name: "f", description: "d", parametersJsonSchema: schema }] }] } },
      cohere: { wire: { tools: [{ type: "function", function: { name: "f", description: "d", parameters: schema } }] } },
      "bedrock-converse": {
        wire: { toolConfig: { tools: [{ toolSpec: { name: "f", description: "d", inputSchema: { json: schema } } }] } },
      },
    },
  },
  {
    name: "6.3 no parameters",
    asked: { chat: { tools: [{ type: "function", function: { name: "f" } }] } },
    at: {
      "openai-chat": { wire: { tools: [{ function: { name: "f" } }] } },
      "openai-responses": { wire: { tools: [{ name: "f", parameters: { type: "object", properties: {} } }] } },
      "anthropic-messages": { wire: { tools: [{ input_schema: { type: "object", properties: {} } }] } },
      gemini: { wire: { tools: [{ functionDeclarations: [{ name: "f" }] }] } },
      cohere: { wire: { tools: [{ function: { parameters: { type: "object", properties: {} } } }] } },
      "bedrock-converse": {
        wire: { toolConfig: { tools: [{ toolSpec: { inputSchema: { json: { type: "object", properties: {} } } } }] } },
      },
    },
  },
  {
    name: "6.3 name rule",
    asked: asked([long]),
    at: {
      "openai-chat": {
        wire: { tools: [{ function: { name: expect.stringContaining(short) } }] },
        notes: ["APPROXIMATED tools[0].function.name"],
      },
      "openai-responses": { wire: { tools: [{ name: expect.stringContaining(short) }] }, notes: ["APPROXIMATED tools[0].function.name"] },
      "anthropic-messages": { wire: { tools: [{ name: long }] } },
      gemini: { wire: { tools: [{ functionDeclarations: [{ name: long }] }] } },
      cohere: { wire: { tools: [{ function: { name: expect.stringContaining(short) } }] }, notes: ["APPROXIMATED tools[0].function.name"] },
      "bedrock-converse": {
        wire: { toolConfig: { tools: [{ toolSpec: { name: expect.stringContaining(short) } }] } },
        notes: ["APPROXIMATED tools[0].function.name"],
      },
    },
  },
  {
    name: "6.3 a name that begins with a digit",
    asked: asked(["1f"]),
    at: {
      gemini: { wire: { tools: [{ functionDeclarations: [{ name: "_1f" }] }] }, notes: ["APPROXIMATED tools[0].function.name"] },
      cohere: { notes: ["APPROXIMATED tools[0].function.name"] },
    },
  },
  {
    name: "6.3 choice auto",
    asked: asked(["f"], { chat: { tool_choice: "auto" }, responses: { tool_choice: "auto" }, messages: { tool_choice: { type: "auto" } } }),
    at: {
      "openai-chat": { wire: { tool_choice: "auto" } },
      "openai-responses": { wire: { tool_choice: "auto" } },
      "anthropic-messages": { wire: { tool_choice: { type: "auto" } } },
      gemini: { wire: { toolConfig: { functionCallingConfig: { mode: "AUTO" } } } },
      cohere: { lacks: ["tool_choice"] },
      "bedrock-converse": { wire: { toolConfig: { toolChoice: { auto: {} } } } },
    },
  },
  {
    name: "6.3 choice none",
    asked: asked(["f"], { chat: { tool_choice: "none" }, responses: { tool_choice: "none" }, messages: { tool_choice: { type: "none" } } }),
    at: {
      "openai-chat": { wire: { tool_choice: "none" } },
      "openai-responses": { wire: { tool_choice: "none" } },
      "anthropic-messages": { wire: { tool_choice: { type: "none" } } },
      gemini: { wire: { toolConfig: { functionCallingConfig: { mode: "NONE" } } } },
      cohere: { wire: { tool_choice: "NONE" } },
      "bedrock-converse": { lacks: ["toolConfig"] },
    },
  },
  {
    name: "6.3 choice required",
    asked: asked(["f"], {
      chat: { tool_choice: "required" },
      responses: { tool_choice: "required" },
      messages: { tool_choice: { type: "any" } },
    }),
    at: {
      "openai-chat": { wire: { tool_choice: "required" } },
      "openai-responses": { wire: { tool_choice: "required" } },
      "anthropic-messages": [{ wire: { tool_choice: { type: "any" } } }, { model: "claude-opus-5-5", refused: "tool_choice" }],
      gemini: { wire: { toolConfig: { functionCallingConfig: { mode: "ANY" } } } },
      cohere: { wire: { tool_choice: "REQUIRED" } },
      "bedrock-converse": { wire: { toolConfig: { toolChoice: { any: {} } } } },
    },
  },
  {
    name: "6.3 choice named",
    asked: asked(["f", "g"], {
      chat: { tool_choice: { type: "function", function: { name: "f" } } },
      responses: { tool_choice: { type: "function", name: "f" } },
      messages: { tool_choice: { type: "tool", name: "f" } },
    }),
    at: {
      "openai-chat": { wire: { tools: [{}, {}], tool_choice: { type: "function", function: { name: "f" } } } },
      "openai-responses": { wire: { tools: [{}, {}], tool_choice: { type: "function", name: "f" } } },
      "anthropic-messages": { wire: { tools: [{}, {}], tool_choice: { type: "tool", name: "f" } } },
      gemini: { wire: { toolConfig: { functionCallingConfig: { mode: "ANY", allowedFunctionNames: ["f"] } } } },
      cohere: { wire: { tools: [{ function: { name: "f" } }], tool_choice: "REQUIRED" } },
      "bedrock-converse": { wire: { toolConfig: { tools: [{}, {}], toolChoice: { tool: { name: "f" } } } } },
    },
  },
  {
    name: "6.3 allowed subset",
    asked: {
      chat: {
        ...asked(["f", "g", "h"]).chat,
        tool_choice: {
          type: "allowed_tools",
          allowed_tools: { mode: "auto", tools: ["f", "g"].map((name) => ({ type: "function", function: { name } })) },
        },
      },
      responses: {
        ...asked(["f", "g", "h"]).responses,
        tool_choice: { type: "allowed_tools", mode: "auto", tools: ["f", "g"].map((name) => ({ type: "function", name })) },
      },
    },
    at: {
      "openai-chat": { wire: { tools: [{}, {}, {}], tool_choice: { type: "allowed_tools" } } },
      "openai-responses": { wire: { tools: [{}, {}, {}], tool_choice: { type: "allowed_tools", mode: "auto" } } },
      "anthropic-messages": { wire: { tools: [{ name: "f" }, { name: "g" }], tool_choice: { type: "auto" } } },
      gemini: { wire: { tools: [{ functionDeclarations: [{ name: "f" }, { name: "g" }] }] } },
      cohere: { wire: { tools: [{ function: { name: "f" } }, { function: { name: "g" } }] } },
      "bedrock-converse": { wire: { toolConfig: { tools: [{}, {}] } } },
    },
  },
  {
    name: "6.3 parallel=false",
    asked: asked(["f"], {
      chat: { parallel_tool_calls: false },
      responses: { parallel_tool_calls: false },
      messages: { tool_choice: { type: "auto", disable_parallel_tool_use: true } },
    }),
    at: {
      "openai-chat": { wire: { parallel_tool_calls: false } },
      "openai-responses": { wire: { parallel_tool_calls: false } },
      "anthropic-messages": { wire: { tool_choice: { type: "auto", disable_parallel_tool_use: true } } },
      gemini: { notes: ["DROPPED tool_choice.parallel"] },
      cohere: { notes: ["DROPPED tool_choice.parallel"] },
      "bedrock-converse": { notes: ["DROPPED tool_choice.parallel"] },
    },
  },
  {
    name: "6.3 custom tool",
    asked: {
      chat: {
        tools: [
          { type: "custom", custom: { name: "sh", format: { type: "grammar", grammar: { syntax: "lark", definition: "start: x" } } } },
        ],
      },
      responses: { tools: [{ type: "custom", name: "sh", format: { type: "grammar", syntax: "lark", definition: "start: x" } }] },
    },
    at: {
      "openai-chat": { wire: { tools: [{ type: "custom", custom: { name: "sh" } }] } },
      "openai-responses": {
        wire: { tools: [{ type: "custom", name: "sh", format: { type: "grammar", syntax: "lark", definition: "start: x" } }] },
      },
      "anthropic-messages": {
        wire: { tools: [{ name: "sh", description: expect.stringContaining("start: x"), input_schema: { required: ["input"] } }] },
        notes: ["EMULATED tools[0].custom"],
      },
      gemini: {
        wire: { tools: [{ functionDeclarations: [{ name: "sh", description: expect.stringContaining("start: x") }] }] },
        notes: ["EMULATED tools[0].custom"],
      },
      cohere: {
        wire: { tools: [{ function: { name: "sh", description: expect.stringContaining("start: x") } }] },
        notes: ["EMULATED tools[0].custom"],
      },
      "bedrock-converse": {
        wire: { toolConfig: { tools: [{ toolSpec: { name: "sh", description: expect.stringContaining("start: x") } }] } },
        notes: ["EMULATED tools[0].custom"],
      },
    },
  },
  {
    name: "6.3 call id, arguments and result",
    asked: {
      chat: {
        ...asked(["f"]).chat,
        messages: [
          { role: "user", content: "q" },
          {
            role: "assistant",
            content: null,
            tool_calls: [{ id: "call:1", type: "function", function: { name: call.name, arguments: call.text } }],
          },
          { role: "tool", tool_call_id: "call:1", content: "ok" },
        ],
      },
      responses: {
        ...asked(["f"]).responses,
        input: [
          { role: "user", content: "q" },
          { type: "function_call", call_id: "call:1", name: call.name, arguments: call.text },
          { type: "function_call_output", call_id: "call:1", output: "ok" },
        ],
      },
    },
    at: {
      "openai-chat": {
        wire: {
          messages: [
            {},
            { role: "assistant", content: null, tool_calls: [{ id: "call:1", function: { name: "f", arguments: call.text } }] },
            { role: "tool", tool_call_id: "call:1", content: "ok" },
          ],
        },
      },
      "openai-responses": {
        wire: {
          input: [
            {},
            { type: "function_call", call_id: "call:1", name: "f", arguments: call.text },
            { type: "function_call_output", call_id: "call:1", output: "ok" },
          ],
        },
      },
      "anthropic-messages": {
        wire: {
          messages: [
            {},
            { role: "assistant", content: [{ type: "tool_use", id: expect.stringMatching(/^[\w-]+$/), name: "f", input: { b: 1 } }] },
            { role: "user", content: [{ type: "tool_result", tool_use_id: expect.stringMatching(/^[\w-]+$/), content: [{ text: "ok" }] }] },
          ],
        },
      },
      gemini: {
        wire: {
          contents: [
            {},
            { role: "model", parts: [{ functionCall: { name: "f", args: { b: 1 } } }] },
            { role: "user", parts: [{ functionResponse: { name: "f", response: { output: "ok" } } }] },
          ],
        },
      },
      cohere: {
        wire: {
          messages: [
            {},
            { role: "assistant", tool_calls: [{ id: "call:1", function: { name: "f", arguments: call.text } }] },
            { role: "tool", tool_call_id: "call:1", content: "ok" },
          ],
        },
      },
      "bedrock-converse": {
        wire: {
          messages: [
            {},
            {
              role: "assistant",
              content: [{ toolUse: { toolUseId: expect.stringMatching(/^[\w-]{1,64}$/), name: "f", input: { b: 1 } } }],
            },
            { role: "user", content: [{ toolResult: { content: [{ text: "ok" }] } }] },
          ],
        },
      },
    },
  },
  {
    name: "6.3 a failed result",
    asked: {
      messages: {
        ...asked(["f"]).messages,
        messages: [
          { role: "user", content: "q" },
          { role: "assistant", content: [{ type: "tool_use", id: "a", name: "f", input: {} }] },
          { role: "user", content: [{ type: "tool_result", tool_use_id: "a", is_error: true, content: "no" }] },
        ],
      },
    },
    at: {
      "openai-chat": { wire: { messages: [{}, {}, { role: "tool", content: "Error: no" }] } },
      "openai-responses": { wire: { input: [{}, {}, { output: "Error: no" }] } },
      "anthropic-messages": { wire: { messages: [{}, {}, { content: [{ is_error: true }] }] } },
      gemini: { wire: { contents: [{}, {}, { parts: [{ functionResponse: { response: { error: "no" } } }] }] } },
      cohere: { wire: { messages: [{}, {}, { role: "tool", content: "Error: no" }] } },
      "bedrock-converse": { wire: { messages: [{}, {}, { content: [{ toolResult: { status: "error" } }] }] } },
    },
  },
  {
    name: "6.3 rule 2: arguments in the history that are no JSON",
    asked: {
      chat: {
        ...asked(["f"]).chat,
        messages: [
          { role: "user", content: "q" },
          { role: "assistant", content: null, tool_calls: [{ id: "a", type: "function", function: { name: "f", arguments: "{no" } }] },
          { role: "tool", tool_call_id: "a", content: "ok" },
        ],
      },
    },
    at: {
      "openai-chat": { wire: { messages: [{}, { tool_calls: [{ function: { arguments: "{no" } }] }, {}] } },
      "anthropic-messages": {
        wire: { messages: [{}, { content: [{ input: { _raw: "{no" } }] }, {}] },
        notes: ["APPROXIMATED messages[1].content[0].tool_call.arguments_json"],
      },
      gemini: {
        wire: { contents: [{}, { parts: [{ functionCall: { args: { _raw: "{no" } } }] }, {}] },
        notes: ["APPROXIMATED messages[1].content[0].tool_call.arguments_json"],
      },
      "bedrock-converse": {
        wire: { messages: [{}, { content: [{ toolUse: { input: { _raw: "{no" } } }] }, {}] },
        notes: ["APPROXIMATED messages[1].content[0].tool_call.arguments_json"],
      },
    },
  },
  {
    name: "6.3 rule 5: a forced tool while thinking",
    asked: {
      chat: { ...asked(["f"]).chat, tool_choice: "required", reasoning_effort: "high" },
      responses: { ...asked(["f"]).responses, tool_choice: "required", reasoning: { effort: "high" } },
    },
    at: {
      "anthropic-messages": { wire: { tool_choice: { type: "any" } }, lacks: ["thinking"], notes: ["DROPPED reasoning"] },
      "bedrock-converse": { wire: { toolConfig: { toolChoice: { any: {} } } }, notes: ["DROPPED reasoning"] },
    },
  },
  {
    name: "6.3 another vendor's hosted tool",
    asked: {
      responses: { tools: [...(asked(["f"]).responses["tools"] as unknown[]), { type: "file_search", vector_store_ids: ["v"] }] },
    },
    at: {
      "openai-chat": { wire: { tools: [{ function: { name: "f" } }] }, notes: ["DROPPED tools[1].native"] },
      "openai-responses": { wire: { tools: [{ name: "f" }, { type: "file_search" }] } },
      "anthropic-messages": { wire: { tools: [{ name: "f" }] }, notes: ["DROPPED tools[1].native"] },
      gemini: { wire: { tools: [{ functionDeclarations: [{ name: "f" }] }] }, notes: ["DROPPED tools[1].native"] },
      cohere: { wire: { tools: [{ function: { name: "f" } }] }, notes: ["DROPPED tools[1].native"] },
      "bedrock-converse": { wire: { toolConfig: { tools: [{ toolSpec: { name: "f" } }] } }, notes: ["DROPPED tools[1].native"] },
    },
  },
  {
    name: "6.3 another vendor's hosted tool, required",
    asked: { responses: { tools: [{ type: "file_search", vector_store_ids: ["v"] }], tool_choice: "required" } },
    at: {
      "openai-chat": { refused: "tool_choice" },
      "openai-responses": { wire: { tool_choice: "required" } },
      "anthropic-messages": { refused: "tool_choice" },
      gemini: { refused: "tool_choice" },
      cohere: { refused: "tool_choice" },
      "bedrock-converse": { refused: "tool_choice" },
    },
  },
]);
