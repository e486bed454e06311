import { z } from "zod";

import { textForm } from "./forms.ts";
import { policyConfigs, policyHead, policyKinds, policySchema } from "./policy-schema.ts";
import { providerSchema } from "./provider-schema.ts";
import { providerTypeFacts, settingsOfTypes } from "./provider-types.ts";
import { settingsSchema } from "./schema.ts";

/** A JSON Schema. */
export type JsonSchema = z.core.JSONSchema.BaseSchema;

/** What the parts of a file that stand in several places look like, by name. */
interface Definitions {
  readonly definitions: Readonly<Record<string, JsonSchema>>;
}

/**
 * The configuration file as JSON Schema, for editors: draft 07, which all of them know. It takes every file that `semaroute check` takes;
 * what only a look at the whole can tell, such as a provider that is not there, it does not refuse. Settings that variables of the
 * environment would complete count as missing.
 */
export function configurationSchema(): JsonSchema & Definitions {
  const registry = z.registry<{ id: string }>();
  registry.add(settingsSchema, { id: "settings" }).add(policySchema, { id: "policy" }).add(policyHead, { id: "head" });
  for (const kind of policyKinds) registry.add(policyConfigs[kind], { id: kind });
  const { schemas } = z.toJSONSchema(registry, {
    target: "draft-07",
    io: "input",
    // Secrets, which say themselves what they look like.
    unrepresentable: "any",
    uri: (id) => `#/definitions/${id}`,
    override: ({ zodSchema, jsonSchema }) => complete(zodSchema, jsonSchema),
  });
  const schemaOf = (id: string): JsonSchema => {
    const { $schema: _, $id: __, ...schema } = schemas[id] ?? {};
    return schema;
  };
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "Configuration of semaroute",
    ...nullable(schemaOf("settings")),
    definitions: {
      policy: {
        description: "How targets are ordered.",
        ...nullable(schemaOf("head")),
        allOf: policyKinds.map((kind) => configOf(kind, schemaOf(kind))),
      },
      ...Object.fromEntries(policyKinds.map((kind) => [kind, schemaOf(kind)])),
    },
  };
}

/** Says of a part what its zod schema does not. */
function complete(schema: z.core.$ZodType, json: JsonSchema): void {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    if (schema instanceof z.ZodDefault) json.default = JSON.parse(JSON.stringify(schema.def.defaultValue));
    // What is a map or a list says its defaults inside, or has none.
    if (typeof json.default === "object") delete json.default;
    Object.assign(json, nullable(json));
  } else if (schema instanceof z.ZodRecord) {
    delete json.propertyNames;
    // In place, for zod may not be through with it.
    if (typeof json.additionalProperties === "object") Object.assign(json.additionalProperties, nullable(json.additionalProperties));
  } else if (schema instanceof z.ZodObject) {
    addSecretFiles(schema, json);
    if (schema === providerSchema) completeProvider(json);
  } else if (schema instanceof z.ZodPipe && schema.out instanceof z.ZodObject) {
    // A record that may be written as a name alone.
    const record = { ...json };
    for (const key of Object.keys(json)) delete json[key];
    json.anyOf = [textForm, record];
  } else if (json.anyOf !== undefined) {
    // Words, some of which YAML reads as something else than the text that zod knows of.
    delete json.type;
  }
}

/** What is not set may be written as null. */
function nullable(json: JsonSchema): JsonSchema {
  const { type } = json;
  if (type === undefined) return json;
  return { ...json, type: [...(Array.isArray(type) ? type : [type]), "null"] };
}

/** Every secret can be read from a file. */
function addSecretFiles(schema: z.ZodObject, json: JsonSchema): void {
  const { properties = {}, required = [] } = json;
  json.properties = {};
  for (const [name, property] of Object.entries(properties)) {
    json.properties[name] = property;
    if (!isSecret(schema.shape[name])) continue;
    const file = `${name}_file`;
    json.properties[file] = {
      ...textForm,
      type: ["string", "null"],
      description: `File whose content is ${name}; its path begins at this file's folder.`,
    };
    if (required.includes(name)) json.anyOf = [{ required: [name] }, { required: [file] }];
  }
  if (json.anyOf !== undefined) json.required = required.filter((name) => !isSecret(schema.shape[name]));
}

function isSecret(schema: z.core.$ZodType | undefined): boolean {
  return schema instanceof z.ZodOptional ? isSecret(schema.unwrap()) : schema instanceof z.ZodCustom;
}

/** What `config` may be where the policy is of a kind. */
function configOf(kind: string, { required = [] }: JsonSchema): JsonSchema {
  const config = { $ref: `#/definitions/${kind}` };
  const isKind = { properties: { type: { const: kind } }, ...(kind !== "cost_based" && { required: ["type"] }) };
  if (required.length > 0) return { if: isKind, then: { properties: { config }, required: ["config"] } };
  return { if: isKind, then: { properties: { config: { anyOf: [config, { type: "null" }] } } } };
}

/** The type may be the name, and settings of some types are refused where another is said. */
function completeProvider(json: JsonSchema): void {
  delete json.required;
  json.allOf = Object.entries(Object.groupBy(Object.keys(settingsOfTypes), ownersOf)).map(([owners, settings = []]) => {
    const others = Object.keys(providerTypeFacts).filter((type) => !owners.split(" ").includes(type));
    return {
      if: { properties: { type: { enum: others } }, required: ["type"] },
      then: { properties: Object.fromEntries(settings.map((setting) => [setting, false])) },
    };
  });
}

function ownersOf(setting: string): string {
  return (settingsOfTypes[setting] ?? []).join(" ");
}
