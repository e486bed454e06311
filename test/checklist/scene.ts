/** A house between callers and the six vendors, each at a provider of its own; behind each stands a dearer one that is well. */
import { type House, openHouse } from "../e2e/house.ts";
import {
  completion,
  createUpstream,
  streamText,
  type Upstream,
  type UpstreamHandler,
  type UpstreamReply,
  type UpstreamRequest,
} from "../support/scripted-upstream.ts";
import { type Said, type Vendor, vendors } from "./vendors.ts";

/** A vendor's answer to one request. */
export interface Asked {
  readonly vendor: Vendor;
  readonly request: UpstreamRequest;
  readonly streamed: boolean;
  readonly reply: UpstreamReply;
  /** Answers well, as it was asked: whole or in a stream. */
  readonly say: (said: Said) => void;
  /** Begins a stream in the vendor's own framing. */
  readonly begin: (headers?: Readonly<Record<string, string>>) => ReturnType<UpstreamReply["sse"]>;
}

/** A running scene. */
export interface Scene extends AsyncDisposable {
  readonly url: string;
  readonly house: House;
  /** Of the six. */
  readonly upstream: Upstream;
  /** The one behind them; answers "well". */
  readonly well: Upstream;
  /** How all six answer from now on. */
  play(handler: (asked: Asked) => void | Promise<void>): void;
  /** How `vectors`, an embedding model, answers from now on. */
  embed(handler: UpstreamHandler): void;
}

/** Names of both targets, the vendor's first. */
export const pairOf = ({ name }: Vendor): string => `pair-${name}`;

const paths: Readonly<Record<string, RegExp>> = {
  "openai-chat": /^\/v1\/chat\/completions$/,
  "openai-responses": /^\/v1\/responses$/,
  anthropic: /^\/v1\/messages/,
  gemini: /^\/v1beta\/models\//,
  cohere: /^\/v2\/chat$/,
  bedrock: /^\/model\//,
};

/** Opens it; `more`: further sections of the configuration. */
export async function openScene(more = ""): Promise<Scene> {
  const open = new AsyncDisposableStack();
  let handler: (asked: Asked) => void | Promise<void> = () => {};
  let embedded: UpstreamHandler = () => {};
  const upstream = open.use(
    await createUpstream((reply, request, ordinal) => {
      if (request.path.endsWith("/embeddings")) return embedded(reply, request, ordinal);
      const vendor = vendors.find(({ name }) => paths[name]?.test(request.path));
      if (vendor === undefined) throw new Error(`nobody answers at ${request.path}`);
      const streamed = /stream/i.test(request.path) || isStreamed(request);
      const begin: Asked["begin"] = (headers = {}) => reply.sse({ "content-type": vendor.contentType, ...headers });
      const say = (said: Said): void => {
        if (!streamed) {
          reply.sse({ "content-type": "application/json" }).raw(vendor.whole(said)).end();
          return;
        }
        const sse = begin();
        const { begun, ending } = vendor.stream(said);
        for (const bytes of [...begun, ...ending]) sse.raw(bytes);
        sse.end();
      };
      return handler({ vendor, request, streamed, reply, say, begin });
    }),
  );
  const well = open.use(
    await createUpstream((reply, request) => (isStreamed(request) ? streamText(reply, ["well"]) : reply.json(completion("well")))),
  );
  const aliases = vendors.map((vendor) => `${pairOf(vendor)}: {targets: ["${vendor.model}", well/well]}`);
  const house = open.use(
    await openHouse(`
health: {probe: none}
cache: {enabled: false}
resilience: {max_attempts: 2, retry: {base_delay: 1ms, max_delay: 2ms, budget: 1}}
routing_policy: {type: cost_based, config: {cost_weight: 1, latency_weight: 0, health_weight: 0}}
providers:
  well: {type: openai_compatible, base_url: "${well.url}/v1", models: [{id: well, input_price: 1000, output_price: 1000}]}
  floats: {type: openai_compatible, base_url: "${upstream.url}/v1", models: [{id: vectors, kind: embedding}]}
  ${vendors.map(({ provider }) => provider(upstream.url)).join("\n  ")}
models:
  "team/any": {targets: [well/well]}
  ${aliases.join("\n  ")}
${more}
`),
  );
  return {
    url: house.url,
    house,
    upstream,
    well,
    play(next) {
      handler = next;
    },
    embed(next) {
      embedded = next;
    },
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

function isStreamed({ body }: UpstreamRequest): boolean {
  return typeof body === "object" && body !== null && "stream" in body && body.stream === true;
}
