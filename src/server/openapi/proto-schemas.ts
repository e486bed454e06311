import { type DescEnum, type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { type JsonSchema, reference } from "./words.ts";

/** Schemas of messages as their JSON form has them, by the components' names; grows by what is asked for. */
export class ProtoSchemas {
  readonly #schemas = new Map<string, JsonSchema>();

  /** A reference to the message's schema, which is among the components from now on, with all that it holds. */
  of(message: DescMessage): JsonSchema {
    const known = wellKnown[message.typeName];
    if (known !== undefined) return known;
    if (!this.#schemas.has(message.typeName)) {
      // Before its fields are looked at: messages may hold their own kind.
      this.#schemas.set(message.typeName, {});
      this.#schemas.set(message.typeName, {
        type: "object",
        properties: Object.fromEntries(message.fields.map((field) => [field.jsonName, this.ofField(field)])),
        // A newer server may say more.
        additionalProperties: true,
      });
    }
    return reference("schemas", message.typeName);
  }

  /** The schema of a field. */
  ofField(field: DescField): JsonSchema {
    switch (field.fieldKind) {
      case "scalar":
        return ofScalar(field.scalar);
      case "enum":
        return this.#ofEnum(field.enum);
      case "message":
        return this.of(field.message);
      case "list":
        return { type: "array", items: this.ofElement(field) };
      case "map":
        return { type: "object", additionalProperties: this.#ofValue(field) };
      default:
        return field satisfies never;
    }
  }

  /** The schema of one element of a list. */
  ofElement(field: DescField & { readonly fieldKind: "list" }): JsonSchema {
    if (field.listKind === "scalar") return ofScalar(field.scalar);
    return field.listKind === "enum" ? this.#ofEnum(field.enum) : this.of(field.message);
  }

  /** All so far, by name. */
  components(): Readonly<Record<string, JsonSchema>> {
    return Object.fromEntries([...this.#schemas].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  }

  #ofValue(field: DescField & { readonly fieldKind: "map" }): JsonSchema {
    if (field.mapKind === "scalar") return ofScalar(field.scalar);
    return field.mapKind === "enum" ? this.#ofEnum(field.enum) : this.of(field.message);
  }

  #ofEnum(described: DescEnum): JsonSchema {
    if (!this.#schemas.has(described.typeName))
      this.#schemas.set(described.typeName, { type: "string", enum: described.values.map(({ name }) => name) });
    return reference("schemas", described.typeName);
  }
}

const text = { type: "string" } as const;

/** Messages whose JSON is no object of their fields (protobuf's JSON mapping). */
const wellKnown: Readonly<Record<string, JsonSchema>> = {
  "google.protobuf.Timestamp": { type: "string", format: "date-time" },
  "google.protobuf.Duration": { type: "string", pattern: String.raw`^-?\d+(\.\d{1,9})?s$` },
  "google.protobuf.FieldMask": text,
  "google.protobuf.Struct": { type: "object" },
  "google.protobuf.Value": {},
  "google.protobuf.ListValue": { type: "array" },
};

/** 64-bit numbers are texts, for a double does not hold them; both are read. */
function ofScalar(scalar: ScalarType): JsonSchema {
  switch (scalar) {
    case ScalarType.BOOL:
      return { type: "boolean" };
    case ScalarType.STRING:
      return text;
    case ScalarType.BYTES:
      return { type: "string", contentEncoding: "base64" };
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return { type: "number" };
    case ScalarType.INT64:
    case ScalarType.UINT64:
    case ScalarType.SINT64:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return { type: "string", pattern: String.raw`^-?\d+$` };
    default:
      return { type: "integer" };
  }
}
