import { z } from "zod";

import { policyFields, policySchema } from "./policy-schema.ts";
import type { Path } from "./problem.ts";
import { settingsSchema } from "./schema.ts";
import { type MapNode, type Node, nodeAt } from "./tree.ts";

/** A scalar setting that can be set for this tree. */
export interface Field {
  readonly path: Path;
  /** Nobody may print it, and it can also be read from a file: `<name>_file`. */
  readonly secret: boolean;
}

/** Every scalar setting of the schema; names of the operator's own and list items as the tree has them. */
export function fieldsOf(tree: MapNode): readonly Field[] {
  const fields: Field[] = [];
  collect(settingsSchema, [], tree, fields);
  return fields;
}

/** The scalar settings of one provider, without those of its models. */
export function providerFieldNames(): readonly string[] {
  const fields: Field[] = [];
  collect(settingsSchema.shape.providers.unwrap().valueType, [], undefined, fields);
  return fields.flatMap(({ path, secret }) => (secret ? [path.join("_"), `${path.join("_")}_file`] : [path.join("_")]));
}

function collect(schema: z.core.$ZodType, path: Path, node: Node | undefined, fields: Field[]): void {
  if (schema === policySchema) {
    // Policies nest without end; what the tree does not have is not looked into.
    if (node !== undefined || path.length === 1) collect(policyFields, path, node, fields);
  } else if (schema instanceof z.ZodObject) {
    for (const [name, value] of Object.entries(schema.shape)) collect(value, [...path, name], node && nodeAt(node, [name]), fields);
  } else if (schema instanceof z.ZodRecord) {
    if (node?.kind === "map") for (const [name, entry] of node.entries) collect(schema.valueType, [...path, name], entry.node, fields);
  } else if (schema instanceof z.ZodArray) {
    if (node?.kind === "list") for (const [index, item] of node.items.entries()) collect(schema.element, [...path, index], item, fields);
  } else if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    collect(schema.unwrap(), path, node, fields);
  } else if (schema instanceof z.ZodPipe && schema.out instanceof z.ZodObject) {
    // A record that may be written as a name alone.
    collect(schema.out, path, node, fields);
  } else {
    fields.push({ path, secret: schema instanceof z.ZodCustom });
  }
}
