import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { reflect, type ReflectMessage } from "@bufbuild/protobuf/reflect";

/** A message with one thing changed. */
export interface Change {
  readonly path: string;
  readonly apply: (message: ReflectMessage) => void;
}

/** One change for each field of a message, and of the messages within. */
export function* changesOf(schema: DescMessage, before = "", depth = 0): Generator<Change> {
  for (const field of schema.fields) {
    const path = before + field.name;
    yield { path, apply: (message) => setField(message, field) };
    const { message: inner } = field;
    if (inner === undefined || depth === 4 || field.fieldKind === "map") continue;
    for (const { path: below, apply } of changesOf(inner, `${path}.`, depth + 1)) {
      yield {
        path: below,
        apply(message) {
          const child = reflect(inner);
          apply(child);
          if (field.fieldKind === "list") message.get(field).add(child);
          else if (field.fieldKind === "message") message.set(field, child);
        },
      };
    }
  }
}

/** Gives a field a value that it has not yet. */
function setField(message: ReflectMessage, field: DescField): void {
  switch (field.fieldKind) {
    case "scalar":
      message.set(field, scalarOf(field.scalar));
      break;
    case "enum":
      message.set(field, 1);
      break;
    case "message":
      message.set(field, reflect(field.message));
      break;
    case "list":
      message
        .get(field)
        .add(field.listKind === "message" ? reflect(field.message) : field.listKind === "enum" ? 1 : scalarOf(field.scalar));
      break;
    case "map":
      message.get(field).set("name", field.mapKind === "scalar" ? scalarOf(field.scalar) : 1);
  }
}

/** By ScalarType: numbers, 64-bit ones, bools, strings, bytes. */
function scalarOf(type: number): unknown {
  if ([3, 4, 6, 16, 18].includes(type)) return 7n;
  if (type === 8) return true;
  if (type === 9) return "other";
  return type === 12 ? new Uint8Array([1]) : 7;
}
