// The official OpenAI SDK: only the base URL and the key differ. Run: node examples/openai.mjs
import process from "node:process";

import OpenAI from "openai";

const client = new OpenAI({
  baseURL: `${process.env.SEMAROUTE_URL ?? "http://127.0.0.1:8080"}/v1`,
  apiKey: process.env.SEMAROUTE_KEY ?? "unused", // without configured keys any will do
});
const messages = [{ role: "user", content: "Hello, router" }];

// A whole answer; the headers tell who gave it.
const { data, response } = await client.chat.completions.create({ model: "auto", messages }).withResponse();
console.log(data.choices[0].message.content);
console.log(`by ${response.headers.get("x-semaroute-provider")}, ${data.usage.total_tokens} tokens`);

// The same, token by token.
for await (const chunk of await client.chat.completions.create({ model: "auto", messages, stream: true })) {
  process.stdout.write(chunk.choices[0]?.delta.content ?? "");
}
console.log();

// A tool that must be called.
const weather = {
  type: "function",
  function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] } },
};
const forced = await client.chat.completions.create({ model: "auto", messages, tools: [weather], tool_choice: "required" });
const [call] = forced.choices[0].message.tool_calls;
console.log(`${call.function.name}(${call.function.arguments})`);

// A failure says what went wrong in `code`.
try {
  await client.chat.completions.create({ model: "no-such-model", messages });
} catch (error) {
  if (!(error instanceof OpenAI.APIError)) throw error;
  console.log(`${error.status} ${error.code}: ${error.message}`);
}
