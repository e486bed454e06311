import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { readingMethods } from "../auth.ts";
import { type AdminRoute, adminRoutes } from "../rest/admin.ts";
import { csvMethods } from "../rest/admin-csv.ts";
import { headersOf } from "./headers.ts";
import type { ProtoSchemas } from "./proto-schemas.ts";
import { errorAnswers, json, type JsonSchema, type Operation } from "./words.ts";

/** What is said of the admin doors, by method and path: all of it from the messages of AdminService. */
export function adminOperations(schemas: ProtoSchemas): ReadonlyMap<string, Operation> {
  return new Map(adminRoutes.map((route) => [`${route.verb} ${shownPath(route)}`, operationOf(route, schemas)]));
}

/** The one placeholder of a path may be called as the message's field is; to callers it is an id. */
function shownPath({ path }: AdminRoute): string {
  return path.replace(placeholder, "{id}");
}

const placeholder = /\{(\w+)\}/;

function operationOf({ verb, path, method }: AdminRoute, schemas: ProtoSchemas): Operation {
  const inPath = placeholder.exec(path)?.[1];
  const others = method.input.fields.filter(({ name }) => name !== inPath);
  const parameters = [
    ...(inPath === undefined ? [] : [{ name: "id", in: "path", required: true, schema: { type: "string" } }]),
    ...(verb === "GET" ? others.flatMap((field) => queryOf(field, schemas)) : []),
    ...(csvMethods.has(method) ? [csvWish] : []),
  ];
  const csv = csvMethods.has(method) ? { "text/csv": { schema: { type: "string" } } } : {};
  return {
    operationId: method.localName,
    summary: `AdminService.${method.name}`,
    tags: ["Admin"],
    // Some of them also answer a caller on the machine itself, as long as no token is configured.
    security: readingMethods.has(method.name) ? [{ admin_token: [] }, {}] : [{ admin_token: [] }],
    ...(parameters.length > 0 && { parameters }),
    ...(verb !== "GET" && { requestBody: bodyOf(method.input, schemas) }),
    responses: {
      "200": {
        description: "The response message.",
        headers: headersOf("x-request-id"),
        content: { ...json(schemas.of(method.output)), ...csv },
      },
      ...errorAnswers("ConnectError", [400, 401, 403, 404, 408, 409, 415, 429, 500, 501, 503]),
    },
  };
}

/** As does `accept: text/csv`. */
const csvWish = {
  name: "format",
  in: "query",
  required: false,
  description: "csv: a table (RFC 4180) instead of the message.",
  schema: { type: "string", enum: ["csv", "json"] },
};

function bodyOf(message: DescMessage, schemas: ProtoSchemas): Readonly<Record<string, unknown>> {
  return { required: false, content: json(schemas.of(message)) };
}

/** Scalar fields, and lists of such, may be said in the query. */
function queryOf(field: DescField, schemas: ProtoSchemas): readonly unknown[] {
  const parameter = (schema: JsonSchema): unknown => ({ name: field.jsonName, in: "query", required: false, schema });
  if (field.fieldKind === "scalar" || field.fieldKind === "enum") return [parameter(schemas.ofField(field))];
  if (field.fieldKind === "list" && field.listKind !== "message") return [parameter(schemas.ofField(field))];
  const isText = field.fieldKind === "message" && /^google\.protobuf\.(?:Timestamp|Duration)$/.test(field.message.typeName);
  return isText ? [parameter(schemas.ofField(field))] : [];
}
