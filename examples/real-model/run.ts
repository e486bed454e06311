// Serves a real small language model on this machine's CPU, puts semaroute in front of it, and talks to it as applications do.
// Usage: node run.ts [--rounds 7]
import { parseArgs } from "node:util";
import OpenAI from "openai";
import { connectRouter } from "./grpc-client.ts";
import type { ChatAnswer, ChatQuestion } from "./grpc-client.ts";
import { startModelServer, startSemaroute, stopServer } from "./servers.ts";
import type { Server } from "./servers.ts";
import { setUp } from "./setup.ts";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "7" } } });
const rounds = Number(values.rounds);
const model = "smollm2-135m-instruct";
const question = "What is the capital of France? Answer in one sentence.";
const ask = { model, messages: [{ role: "user" as const, content: question }], max_tokens: 48, temperature: 0 };
const asked: ChatQuestion = { model, messages: [{ role: "ROLE_USER", text: question }], max_output_tokens: 48 };

const running: Server[] = [];
try {
  const modelServer = await startModelServer(await setUp());
  running.push(modelServer);
  const semaroute = await startSemaroute(modelServer.url, model);
  running.push(semaroute);
  console.log(`model server ${modelServer.url}\nsemaroute    ${semaroute.url}\nquestion     ${question}`);

  // Neither server asks for a key; the SDK insists on having one.
  const straight = new OpenAI({ baseURL: modelServer.url, apiKey: "none", maxRetries: 0 });
  const routed = new OpenAI({ baseURL: `${semaroute.url}/v1`, apiKey: "none", maxRetries: 0 });
  await showRest(routed);
  await showGrpc(new URL(semaroute.url).host);
  await showFirstTokens(straight, routed);
} finally {
  // The router first: it has calls to finish, the model server has none of its own.
  for (const server of running.toReversed()) await stopServer(server);
}

async function showRest(client: OpenAI): Promise<void> {
  const { data, response } = await client.chat.completions.create(ask).withResponse();
  console.log(`\nREST, unary\n  ${data.choices[0]?.message.content}`);
  console.log(`  ${data.choices[0]?.finish_reason}, ${data.usage?.prompt_tokens} + ${data.usage?.completion_tokens} tokens`);
  for (const name of ["x-semaroute-provider", "x-semaroute-model", "x-semaroute-cost-usd", "server-timing"]) {
    console.log(`  ${name}: ${response.headers.get(name)}`);
  }

  console.log("\nREST, streamed");
  const stream = await client.chat.completions.create({ ...ask, stream: true, stream_options: { include_usage: true } });
  const pieces: string[] = [];
  for await (const chunk of stream) {
    const piece = chunk.choices[0]?.delta.content;
    if (piece) pieces.push(piece);
    if (chunk.usage) console.log(`  ${pieces.join("|")}\n  ${chunk.usage.prompt_tokens} + ${chunk.usage.completion_tokens} tokens`);
  }
}

async function showGrpc(address: string): Promise<void> {
  const client = connectRouter(address);
  try {
    const answer = await new Promise<ChatAnswer>((resolve, reject) => {
      client.Chat(asked, (error, value) => (error === null ? resolve(value) : reject(error)));
    });
    console.log(`\ngRPC, unary\n  ${answer.choices[0]?.message.text}`);
    console.log(`  ${answer.choices[0]?.finish_reason}, ${answer.usage.input_tokens} + ${answer.usage.output_tokens} tokens`);
    console.log(`  provider ${answer.route.provider}, model ${answer.route.upstream_model}`);

    console.log("\ngRPC, streamed");
    const pieces: string[] = [];
    for await (const answered of client.StreamChat(asked)) {
      if (answered.part_delta?.text) pieces.push(answered.part_delta.text);
      const usage = answered.completed?.usage;
      if (usage) console.log(`  ${pieces.join("|")}\n  ${usage.input_tokens} + ${usage.output_tokens} tokens`);
    }
  } finally {
    client.close();
  }
}

/** Asks both in turns, so that a busy machine is busy for both. */
async function showFirstTokens(straight: OpenAI, routed: OpenAI): Promise<void> {
  const times = { straight: [] as number[], routed: [] as number[] };
  await firstTokenMs(straight);
  await firstTokenMs(routed);
  for (let round = 0; round < rounds; round++) {
    times.straight.push(await firstTokenMs(straight));
    times.routed.push(await firstTokenMs(routed));
  }
  const added = times.routed.map((ms, round) => ms - (times.straight[round] ?? Number.NaN));
  console.log(`\nFirst token, median of ${rounds} interleaved calls`);
  console.log(`  straight to the model  ${median(times.straight).toFixed(1)} ms`);
  console.log(`  through semaroute      ${median(times.routed).toFixed(1)} ms`);
  console.log(`  added, pair by pair    ${median(added).toFixed(1)} ms`);
}

async function firstTokenMs(client: OpenAI): Promise<number> {
  const begun = performance.now();
  const stream = await client.chat.completions.create({ ...ask, stream: true, max_tokens: 4 });
  let first = Number.NaN;
  for await (const chunk of stream) {
    if (Number.isNaN(first) && chunk.choices[0]?.delta.content) first = performance.now() - begun;
  }
  return first;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
