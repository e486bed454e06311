import { adminOperations } from "./admin-operations.ts";
import { headerComponents, headerParameters, headersOf, limitNames } from "./headers.ts";
import { ProtoSchemas } from "./proto-schemas.ts";
import { restOperations } from "./rest-operations.ts";
import { restSchemas } from "./rest-schemas.ts";
import { json, type Operation, reference } from "./words.ts";

/** What a listener has. */
export interface Served {
  /** Routes of its REST doors; a star stands for the rest of a path. */
  readonly routes: readonly { readonly verb: string; readonly path: string }[];
  readonly admin: boolean;
  /** Of the product. */
  readonly version: string;
}

/** OpenAPI 3.1 of all that a listener has to offer by REST, and of nothing else. */
export function openapiDocument({ routes, admin, version }: Served): Readonly<Record<string, unknown>> {
  const schemas = new ProtoSchemas();
  const operations = new Map<string, Operation>();
  for (const { verb, path } of routes) {
    const name = `${verb} ${path.replace("*", "{id}")}`;
    operations.set(name, restOperations[name] ?? { responses: { default: { description: "Not described." } } });
  }
  if (admin) for (const [name, operation] of adminOperations(schemas)) operations.set(name, operation);
  return {
    openapi: "3.1.1",
    info: {
      title: "semaroute",
      version,
      description: "The REST doors of an LLM router. The same calls go by gRPC, gRPC-Web and Connect, which are described by reflection.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/" }],
    tags: ["OpenAI", "Anthropic", "Operations", ...(admin ? ["Admin"] : [])].map((name) => ({ name })),
    paths: pathsOf(operations),
    components: {
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer", description: "A caller's key." },
        x_api_key: { type: "apiKey", in: "header", name: "x-api-key", description: "The same." },
        ...(admin && { admin_token: { type: "http", scheme: "bearer", description: "The admin token." } }),
      },
      parameters: headerParameters,
      headers: headerComponents,
      responses: errorResponses,
      schemas: { ...restSchemas, ...schemas.components() },
    },
  };
}

function pathsOf(operations: ReadonlyMap<string, Operation>): Readonly<Record<string, Readonly<Record<string, Operation>>>> {
  const paths: Record<string, Record<string, Operation>> = {};
  for (const [name, operation] of operations) {
    const [verb = "", path = ""] = name.split(" ");
    (paths[path] ??= {})[verb.toLowerCase()] = operation;
  }
  return paths;
}

const ofErrors = headersOf(
  "x-request-id",
  "x-semaroute-provider",
  "x-semaroute-model",
  "x-semaroute-attempts",
  ...limitNames,
  "server-timing",
  "retry-after",
  "retry-after-ms",
  "x-should-retry",
);
const errorResponses = {
  OpenAIError: { description: "An error in OpenAI's shape.", headers: ofErrors, content: json(reference("schemas", "OpenAIError")) },
  AnthropicError: {
    description: "An error in Anthropic's shape.",
    headers: ofErrors,
    content: json(reference("schemas", "AnthropicError")),
  },
  ConnectError: {
    description: "An error in Connect's JSON.",
    headers: headersOf("x-request-id"),
    content: json(reference("schemas", "ConnectError")),
  },
} as const;
