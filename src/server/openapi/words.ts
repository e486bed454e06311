/** A schema in the words of JSON Schema 2020-12. */
export interface JsonSchema {
  readonly [keyword: string]: unknown;
}

/** What the document says of one method of a path. */
export interface Operation {
  readonly [member: string]: unknown;
}

/** A reference to one of the document's components. */
export function reference(kind: "schemas" | "responses" | "parameters" | "headers", name: string): { readonly $ref: string } {
  return { $ref: `#/components/${kind}/${name}` };
}

/** A JSON body of that schema. */
export function json(schema: JsonSchema): Readonly<Record<string, unknown>> {
  return { "application/json": { schema } };
}

/** An object with these properties, of which it needs some, and with others that nobody here knows. */
export function open(properties: Readonly<Record<string, JsonSchema>>, required: readonly string[] = []): JsonSchema {
  return { type: "object", properties, ...(required.length > 0 && { required }), additionalProperties: true };
}

/** A list of these. */
export function listOf(items: JsonSchema): JsonSchema {
  return { type: "array", items };
}

/** Answers with an error, by status; 5xx are told apart by their code, not here. */
export function errorAnswers(response: string, statuses: readonly number[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(statuses.map((status) => [String(status), reference("responses", response)]));
}
