import { expect } from "vitest";
import { tableOf } from "./table.ts";

const png = "iVBORw0KGgoAAAAN";
const image = {
  chat: { type: "image_url", image_url: { url: `data:image/jpeg;base64,${png}` } },
  responses: { type: "input_image", image_url: `data:image/jpeg;base64,${png}` },
  messages: { type: "image", source: { type: "base64", media_type: "image/jpeg", data: png } },
};
const said = [
  { role: "user", content: "q" },
  { role: "assistant", content: "a" },
];

tableOf("6.1 messages", [
  {
    name: "6.1 system at the start",
    asked: {
      chat: {
        messages: [
          { role: "system", content: "be brief" },
          { role: "user", content: "q" },
        ],
      },
      responses: {
        input: [
          { role: "system", content: "be brief" },
          { role: "user", content: "q" },
        ],
      },
      messages: { system: "be brief" },
    },
    at: {
      "openai-chat": {
        wire: {
          messages: [
            { role: "system", content: "be brief" },
            { role: "user", content: "q" },
          ],
        },
      },
      "openai-responses": {
        wire: {
          input: [
            { role: "system", content: "be brief" },
            { role: "user", content: "q" },
          ],
        },
      },
      "anthropic-messages": { wire: { system: "be brief", messages: [{ role: "user" }] } },
      gemini: { wire: { systemInstruction: { parts: [{ text: "be brief" }] }, contents: [{ role: "user" }] } },
      cohere: {
        wire: {
          messages: [
            { role: "system", content: "be brief" },
            { role: "user", content: "q" },
          ],
        },
      },
      "bedrock-converse": { wire: { system: [{ text: "be brief" }], messages: [{ role: "user" }] } },
    },
  },
  {
    name: "6.1 system later",
    asked: {
      chat: { messages: [...said, { role: "user", content: "r" }, { role: "system", content: "be brief" }] },
      responses: { input: [...said, { role: "user", content: "r" }, { role: "system", content: "be brief" }] },
    },
    at: {
      "openai-chat": { wire: { messages: [{}, {}, {}, { role: "system", content: "be brief" }] } },
      "openai-responses": { wire: { input: [{}, {}, {}, { role: "system", content: "be brief" }] } },
      "anthropic-messages": [
        {
          wire: { messages: [{}, {}, { role: "user", content: [{ text: "r" }, { text: "<system>\nbe brief\n</system>" }] }] },
          notes: ["APPROXIMATED messages[3]"],
        },
        { model: "claude-opus-4-8", wire: { messages: [{}, {}, {}, { role: "system" }] } },
      ],
      gemini: {
        wire: { contents: [{}, {}, { role: "user", parts: [{ text: "r" }, { text: expect.stringContaining("be brief") }] }] },
        notes: ["APPROXIMATED messages[3]"],
      },
      "bedrock-converse": {
        wire: { messages: [{}, {}, { role: "user", content: [{ text: "r" }, { text: expect.stringContaining("be brief") }] }] },
        notes: ["APPROXIMATED messages[3]"],
      },
    },
  },
  {
    name: "6.1 name",
    asked: { chat: { messages: [{ role: "user", name: "ann", content: "q" }] } },
    at: {
      "openai-chat": { wire: { messages: [{ name: "ann" }] } },
      "openai-responses": { notes: ["DROPPED messages[0].name"] },
      "anthropic-messages": { notes: ["DROPPED messages[0].name"] },
      gemini: { notes: ["DROPPED messages[0].name"] },
      cohere: { notes: ["DROPPED messages[0].name"] },
      "bedrock-converse": { notes: ["DROPPED messages[0].name"] },
    },
  },
  {
    name: "6.1 consecutive same role",
    asked: {
      chat: {
        messages: [
          { role: "user", content: "q" },
          { role: "user", content: "r" },
        ],
      },
      messages: {
        messages: [
          { role: "user", content: "q" },
          { role: "user", content: "r" },
        ],
      },
    },
    at: {
      "openai-chat": { wire: { messages: [{ content: "q" }, { content: "r" }] } },
      "openai-responses": { wire: { input: [{}, {}] } },
      "anthropic-messages": { wire: { messages: [{ content: [{ text: "q" }, { text: "r" }] }] } },
      gemini: { wire: { contents: [{ parts: [{ text: "q" }, { text: "r" }] }] } },
      cohere: { wire: { messages: [{ content: "q" }, { content: "r" }] } },
      "bedrock-converse": { wire: { messages: [{ content: [{ text: "q" }, { text: "r" }] }] } },
    },
  },
  {
    name: "6.1 assistant last",
    asked: { chat: { messages: said }, messages: { messages: said } },
    at: {
      "openai-chat": { wire: { messages: [{}, { role: "assistant", content: "a" }] } },
      "anthropic-messages": [{ wire: { messages: [{}, { role: "assistant" }] } }, { model: "claude-opus-4-8", refused: "messages" }],
      gemini: [{ notes: ["APPROXIMATED messages"] }, { model: "gemini-3.8-flash", refused: "messages" }],
      cohere: { refused: "messages" },
      "bedrock-converse": { wire: { messages: [{}, { role: "assistant" }] } },
    },
  },
  {
    name: "6.1 only system messages",
    asked: { chat: { messages: [{ role: "system", content: "be brief" }] } },
    at: {
      "openai-chat": { wire: { messages: [{ role: "system" }] } },
      "anthropic-messages": { refused: "messages" },
      gemini: { refused: "messages" },
      cohere: { refused: "messages" },
      "bedrock-converse": { refused: "messages" },
    },
  },
  {
    name: "6.1 refusal part",
    asked: {
      chat: {
        messages: [
          { role: "user", content: "q" },
          { role: "assistant", refusal: "no" },
          { role: "user", content: "r" },
        ],
      },
    },
    at: {
      "openai-chat": { wire: { messages: [{}, { refusal: "no" }, {}] } },
      "openai-responses": { wire: { input: [{}, { content: [{ type: "refusal", refusal: "no" }] }, {}] } },
      "anthropic-messages": { wire: { messages: [{}, { content: [{ type: "text", text: "no" }] }, {}] } },
      gemini: { wire: { contents: [{}, { parts: [{ text: "no" }] }, {}] } },
      cohere: { wire: { messages: [{}, { content: "no" }, {}] } },
      "bedrock-converse": { wire: { messages: [{}, { content: [{ text: "no" }] }, {}] } },
    },
  },
  {
    name: "6.1 Anthropic's thinking in the history",
    asked: {
      messages: {
        messages: [
          { role: "user", content: "q" },
          {
            role: "assistant",
            content: [
              { type: "thinking", thinking: "hm", signature: "c2ln" },
              { type: "text", text: "a" },
            ],
          },
          { role: "user", content: "r" },
        ],
      },
    },
    at: {
      "openai-chat": { wire: { messages: [{}, { content: "a" }, {}] }, notes: ["DROPPED messages[1].content[0].reasoning"] },
      "openai-responses": { wire: { input: [{}, {}, {}] }, notes: ["DROPPED messages[1].content[0].reasoning"] },
      "anthropic-messages": { wire: { messages: [{}, { content: [{ thinking: "hm", signature: "c2ln" }, { text: "a" }] }, {}] } },
      gemini: { wire: { contents: [{}, { parts: [{ text: "a" }] }, {}] }, notes: ["DROPPED messages[1].content[0].reasoning"] },
      cohere: { wire: { messages: [{}, { content: "a" }, {}] }, notes: ["DROPPED messages[1].content[0].reasoning"] },
      "bedrock-converse": {
        wire: { messages: [{}, { content: [{ text: "a" }] }, {}] },
        notes: ["DROPPED messages[1].content[0].reasoning"],
      },
    },
  },
]);

tableOf("6.2 multimodal", [
  {
    name: "6.2 image by data, wrongly labelled",
    asked: {
      chat: { messages: [{ role: "user", content: [image.chat] }] },
      responses: { input: [{ role: "user", content: [image.responses] }] },
      messages: { messages: [{ role: "user", content: [image.messages] }] },
    },
    at: {
      "openai-chat": { wire: { messages: [{ content: [{ image_url: { url: expect.stringContaining(png) } }] }] } },
      "openai-responses": { wire: { input: [{ content: [{ image_url: expect.stringContaining(png) }] }] } },
      "anthropic-messages": { wire: { messages: [{ content: [{ source: { type: "base64", media_type: "image/png", data: png } }] }] } },
      gemini: { wire: { contents: [{ parts: [{ inlineData: { mimeType: "image/png", data: png } }] }] } },
      cohere: { wire: { messages: [{ content: [{ image_url: { url: `data:image/png;base64,${png}` } }] }] } },
      "bedrock-converse": { wire: { messages: [{ content: [{ image: { format: "png", source: { bytes: png } } }] }] } },
    },
  },
  {
    name: "6.2 image by URL",
    asked: {
      chat: { messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "https://a.example/b.png" } }] }] },
      messages: { messages: [{ role: "user", content: [{ type: "image", source: { type: "url", url: "https://a.example/b.png" } }] }] },
    },
    at: {
      "openai-chat": { wire: { messages: [{ content: [{ image_url: { url: "https://a.example/b.png" } }] }] } },
      "anthropic-messages": { wire: { messages: [{ content: [{ source: { type: "url", url: "https://a.example/b.png" } }] }] } },
      gemini: { wire: { contents: [{ parts: [{ fileData: { fileUri: "https://a.example/b.png" } }] }] } },
      cohere: { wire: { messages: [{ content: [{ image_url: { url: "https://a.example/b.png" } }] }] } },
      "bedrock-converse": { refused: "messages[0].content[0].image" },
    },
  },
  {
    name: "6.2 detail",
    asked: { chat: { messages: [{ role: "user", content: [{ ...image.chat, image_url: { ...image.chat.image_url, detail: "high" } }] }] } },
    at: {
      "openai-chat": { wire: { messages: [{ content: [{ image_url: { detail: "high" } }] }] } },
      "anthropic-messages": { notes: ["DROPPED messages[0].content[0].image.detail"] },
      gemini: { wire: { generationConfig: { mediaResolution: "MEDIA_RESOLUTION_HIGH" } } },
      cohere: { wire: { messages: [{ content: [{ image_url: { detail: "high" } }] }] } },
      "bedrock-converse": { notes: ["DROPPED messages[0].content[0].image.detail"] },
    },
  },
  {
    name: "6.2 input_audio",
    asked: { chat: { messages: [{ role: "user", content: [{ type: "input_audio", input_audio: { data: "UklGRg==", format: "wav" } }] }] } },
    at: {
      "openai-chat": { wire: { messages: [{ content: [{ input_audio: { format: "wav" } }] }] } },
      "anthropic-messages": { refused: "messages[0].content[0].audio" },
      gemini: { wire: { contents: [{ parts: [{ inlineData: { mimeType: "audio/wav" } }] }] } },
      cohere: { refused: "messages[0].content[0].audio" },
      "bedrock-converse": { wire: { messages: [{ content: [{ audio: { format: "wav" } }] }] } },
    },
  },
  {
    name: "6.2 file_id",
    asked: { chat: { messages: [{ role: "user", content: [{ type: "file", file: { file_id: "file-1" } }] }] } },
    at: {
      "openai-chat": { wire: { messages: [{ content: [{ file: { file_id: "file-1" } }] }] } },
      "openai-responses": { wire: { input: [{ content: [{ file_id: "file-1" }] }] } },
      "anthropic-messages": { refused: "messages[0].content[0].document" },
      gemini: { refused: "messages[0].content[0].document" },
      cohere: { refused: "messages[0].content[0].document" },
      "bedrock-converse": { refused: "messages[0].content[0].document" },
    },
  },
]);
