/** Both generations of the official `@anthropic-ai/sdk`, as far as the tests use them: their types differ where nobody looks. */
import Anthropic from "@anthropic-ai/sdk";
import { betaTool } from "@anthropic-ai/sdk/helpers/beta/json-schema";
import Anthropic0 from "anthropic-sdk-0";
import { betaTool as betaTool0 } from "anthropic-sdk-0/helpers/beta/json-schema";

/** What is the same in both. */
export interface MessagesClient {
  readonly messages: {
    create(body: Anthropic.MessageCreateParamsNonStreaming): Promise<Anthropic.Message>;
    stream(body: Anthropic.MessageStreamParams): {
      on(event: "text", listener: (text: string) => void): unknown;
      finalMessage(): Promise<Anthropic.Message>;
      abort(): void;
    };
    countTokens(body: Anthropic.MessageCountTokensParams): Promise<Anthropic.MessageTokensCount>;
  };
  readonly models: {
    list(query?: { readonly limit?: number }): AsyncIterable<{ readonly id: string; readonly display_name: string }>;
    retrieve(id: string): Promise<{ readonly id: string; readonly type: "model" }>;
  };
  readonly get: (path: string) => Promise<unknown>;
}

/** Where, and as whom. */
export interface ClientOptions {
  readonly baseURL: string;
  readonly apiKey?: string;
  readonly authToken?: string;
  readonly maxRetries?: number;
  readonly defaultHeaders?: Readonly<Record<string, string>>;
}

/** What a tool of `compare` was called with, and what it says. */
export type Called = (input: unknown) => string;

/** One generation. */
export interface Generation {
  readonly name: string;
  /** The version of the API it speaks. */
  readonly version: string;
  readonly client: (options: ClientOptions) => MessagesClient;
  /** Asks to compare Paris and Rome with two tools, by the tool runner, until nothing more is called. */
  readonly compare: (options: ClientOptions, model: string, called: Called) => Promise<string>;
  /** The error classes, by name. */
  readonly errors: Readonly<Record<string, new (...args: never[]) => Error>>;
}

const celsius = { type: "object", properties: { city: { type: "string" } }, required: ["city"] } as const;
const difference = { type: "object", properties: { of: { type: "array", items: { type: "number" } } }, required: ["of"] } as const;
const question = { max_tokens: 500, messages: [{ role: "user" as const, content: "compare Paris and Rome" }] };

function textOf(content: readonly { readonly type: string; readonly text?: string }[]): string {
  return content.map(({ text = "" }) => text).join("");
}

/** The newest, and the last that spoke the old version of the API. */
export const generations: readonly Generation[] = [
  {
    name: "@anthropic-ai/sdk 1",
    version: "2026-10-21",
    client: (options) => new Anthropic(options),
    async compare(options, model, run) {
      const tools = [
        betaTool({ name: "celsius", description: "Temperature of a city", inputSchema: celsius, run }),
        betaTool({ name: "difference", description: "Difference of two numbers", inputSchema: difference, run }),
      ];
      const answer = await new Anthropic(options).beta.messages.toolRunner({ ...question, model, tools });
      return textOf(answer.content);
    },
    errors: { ...errorsOf(Anthropic) },
  },
  {
    name: "@anthropic-ai/sdk 0",
    version: "2023-06-01",
    client: (options) => new Anthropic0(options),
    async compare(options, model, run) {
      const tools = [
        betaTool0({ name: "celsius", description: "Temperature of a city", inputSchema: celsius, run }),
        betaTool0({ name: "difference", description: "Difference of two numbers", inputSchema: difference, run }),
      ];
      const answer = await new Anthropic0(options).beta.messages.toolRunner({ ...question, model, tools });
      return textOf(answer.content);
    },
    errors: { ...errorsOf(Anthropic0) },
  },
];

function errorsOf(sdk: typeof Anthropic | typeof Anthropic0): Generation["errors"] {
  const { APIError, BadRequestError, AuthenticationError, PermissionDeniedError, NotFoundError, RateLimitError, InternalServerError } = sdk;
  return { APIError, BadRequestError, AuthenticationError, PermissionDeniedError, NotFoundError, RateLimitError, InternalServerError };
}
