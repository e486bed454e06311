/** The vendors of the matrix: a mock of its own for each column, on a real socket, and one running semaroute in front of all. */
import { LLMock } from "@copilotkit/aimock";
import type { IncomingMessage, ServerResponse } from "node:http";
import { type Column, columns } from "./columns.ts";
import { createUpstream, type Upstream } from "../../support/scripted-upstream.ts";
import { thinkingProvider } from "./rows.ts";
import { answers, prompts } from "./script.ts";

/** The upstreams that run. */
export interface Upstreams extends AsyncDisposable {
  /** Paths at which a column's upstream was asked so far; none where it has no upstream. */
  pathsOf(column: Column): readonly string[];
  /** The configuration of a server in front of them. */
  readonly config: string;
}

/** Starts them all. */
export async function startUpstreams(): Promise<Upstreams> {
  const mocks = new Map<string, { readonly mock: LLMock; readonly paths: string[] }>();
  const thinkers = new Map<string, Upstream>();
  await Promise.all(
    columns.map(async ({ name, paths, thinker }) => {
      if (paths !== undefined) mocks.set(name, await startMock());
      if (thinker !== undefined) thinkers.set(name, await createUpstream(thinker));
    }),
  );
  const providers = columns.flatMap(({ name, type, settings, models }) => {
    const line = (as: string, url: string, offered: readonly string[]): string =>
      `  ${as}: { type: ${type}, ${settings.replaceAll("URL", url)}, models: [${offered.map((id) => JSON.stringify(id)).join(", ")}] }`;
    const { thinking, ...others } = models;
    const thinker = thinkers.get(name)?.url;
    const url = mocks.get(name)?.mock.url ?? "";
    if (thinking === undefined || thinker === undefined) return line(name, url, [...new Set(Object.values(models))]);
    return [line(name, url, Object.values(others)), line(thinkingProvider(name), thinker, [thinking])];
  });
  return {
    pathsOf: ({ name }) => {
      const { mock, paths = [] } = mocks.get(name) ?? {};
      const thought = thinkers.get(name)?.requests ?? [];
      return [...(mock?.getRequests() ?? []), ...thought].map(({ path }) => path).concat(paths);
    },
    config: [
      "health: { probe: none }",
      "cache: { enabled: false }",
      "resilience: { max_attempts: 1 }",
      "providers:",
      ...providers,
      "",
    ].join("\n"),
    async [Symbol.asyncDispose]() {
      await Promise.all([...mocks.values()].map(({ mock }) => mock.stop()));
      for (const thinker of thinkers.values()) await thinker.close();
    },
  };
}

type Asked = Parameters<NonNullable<Parameters<LLMock["on"]>[0]["predicate"]>>[0];

const resultsIn = ({ messages }: Asked): number => messages.filter(({ role }) => role === "tool").length;

/** A vendor that follows the script, in every language the mock speaks. */
async function startMock(): Promise<{ mock: LLMock; paths: string[] }> {
  const mock = new LLMock({ port: 0, chunkSize: 7 });
  // Each language's own words for the same numbers.
  const usage = { prompt_tokens: 9, completion_tokens: 5, input_tokens: 9, output_tokens: 5, promptTokenCount: 9, candidatesTokenCount: 5 };
  mock.onMessage(prompts.say, { content: prompts.say, usage });
  mock.onMessage(prompts.think, { content: answers.thought, reasoning: answers.thinking, usage });
  const first = ({ tools = [] }: Asked): string => tools[0]?.function.name ?? "";
  // Clients ask for an object either by a schema or by a tool that takes it.
  mock.on({ userMessage: prompts.json, predicate: (asked) => first(asked) !== "" }, (asked) => ({
    toolCalls: [{ name: first(asked), arguments: answers.json }],
    usage,
  }));
  mock.onMessage(prompts.json, { content: answers.json, usage });
  mock.on(
    { userMessage: prompts.find, predicate: (asked) => resultsIn(asked) === 0 },
    { toolCalls: [{ id: "call_f", ...answers.find }], usage },
  );
  mock.on({ userMessage: prompts.find }, { content: answers.found, usage });
  const round = (results: number) => ({ userMessage: prompts.compare, predicate: (asked: Asked) => resultsIn(asked) === results });
  const calls = answers.celsius.map((call, i) => ({ id: `call_${i}`, ...call }));
  mock.on(round(0), { toolCalls: calls, usage });
  mock.on(round(2), { toolCalls: [{ id: "call_d", ...answers.difference }], usage });
  mock.on(round(3), { content: answers.compared, usage });
  const paths: string[] = [];
  const mount = (path: string, answer: (body: unknown) => object): void => void mock.mount(path, mounted(path, paths, answer));
  // What the mock does not know, in the vendors' shapes.
  mount("/v1/messages/count_tokens", () => ({ input_tokens: answers.tokens }));
  for (const { models } of columns.filter(({ type }) => type === "gemini")) {
    mount(`/v1beta/models/${models.chat}:countTokens`, () => ({ totalTokens: answers.tokens }));
    mount(`/v1beta/models/${models.embedding}:batchEmbedContents`, (body) => ({
      embeddings: requestsIn(body).map((_, i) => ({ values: [0.5, i, -1.25] })),
    }));
  }
  await mock.start();
  return { mock, paths };
}

type Mounted = Parameters<LLMock["mount"]>[1];

function mounted(path: string, asked: string[], answer: (body: unknown) => object): Mounted {
  return {
    async handleRequest(request: IncomingMessage, response: ServerResponse) {
      asked.push(path);
      let text = "";
      for await (const part of request.setEncoding("utf8")) text += String(part);
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify(answer(JSON.parse(text))));
      return true;
    },
  };
}

function requestsIn(body: unknown): readonly unknown[] {
  return typeof body === "object" && body !== null && "requests" in body && Array.isArray(body.requests) ? body.requests : [];
}
