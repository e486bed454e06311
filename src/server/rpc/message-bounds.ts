import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { ChatError } from "../../core/error.ts";
import { callerBounds } from "../../core/json.ts";

/**
 * Refuses a binary message that is too deep or too much, before memory is spent on it: two bytes can say that there is one
 * more message, which costs hundreds once it is decoded. It reads the bytes as the decoder will, by the message's own
 * description; what the decoder cannot read is left to it.
 */
export function refuseExcessMessage(desc: DescMessage, bytes: Uint8Array): void {
  try {
    walk(new BinaryReader(bytes), shapeOf(desc), bytes.byteLength, 1, { values: callerBounds.values, objects: callerBounds.objects });
  } catch (thrown) {
    if (thrown instanceof ChatError) throw thrown;
  }
}

/** A message's fields by their numbers. */
type Shape = ReadonlyMap<number, FieldShape>;

interface FieldShape {
  /** How one value is written. */
  readonly wire: WireType;
  /** Of a message, or of a map's entry. */
  readonly inner: Shape | undefined;
  /** Whether many may be written as one record. */
  readonly packable: boolean;
}

/** What may still come. */
interface Budget {
  values: number;
  objects: number;
}

function walk(reader: BinaryReader, shape: Shape, end: number, depth: number, left: Budget): void {
  if (depth > callerBounds.depth) throw refused(`the message is nested deeper than ${callerBounds.depth}`);
  while (reader.pos < end) {
    const [number, wire] = reader.tag();
    if (wire === WireType.StartGroup || wire === WireType.EndGroup) throw refused("the message has a group");
    spend(left, 1);
    const field = shape.get(number);
    if (field === undefined) reader.skip(wire, number);
    else if (wire === WireType.LengthDelimited && field.inner !== undefined) {
      if (--left.objects < 0) throw refused(`the message has more than ${callerBounds.objects} messages and map entries`);
      const length = reader.uint32();
      walk(reader, field.inner, reader.pos + length, depth + 1, left);
    } else if (wire === WireType.LengthDelimited && field.packable) spend(left, packedIn(reader, field.wire));
    else if (wire === field.wire) reader.skip(wire, number);
    else throw refused(`the message's field ${number} is written in another type than its own`);
  }
}

function spend(left: Budget, values: number): void {
  left.values -= values;
  if (left.values < 0) throw refused(`the message has more than ${callerBounds.values} values`);
}

/** How many numbers are in the record that comes; goes behind it. */
function packedIn(reader: BinaryReader, wire: WireType): number {
  const record = reader.bytes();
  if (wire === WireType.Bit32) return record.byteLength / 4;
  if (wire === WireType.Bit64) return record.byteLength / 8;
  let count = 0;
  // The last byte of each has no high bit.
  for (const byte of record) if (byte < 0x80) count++;
  return count;
}

function refused(text: string): ChatError {
  return new ChatError("INVALID_REQUEST", text);
}

const shapes = new WeakMap<DescMessage, Shape>();

function shapeOf(desc: DescMessage): Shape {
  const known = shapes.get(desc);
  if (known !== undefined) return known;
  const shape = new Map<number, FieldShape>();
  // Before its fields are looked at: a message may hold its own kind.
  shapes.set(desc, shape);
  for (const field of desc.fields) shape.set(field.number, fieldShape(field));
  return shape;
}

function fieldShape(field: DescField): FieldShape {
  switch (field.fieldKind) {
    case "message":
      return inner(shapeOf(field.message));
    case "map":
      return inner(
        new Map([
          [1, single(wireOf(field.mapKey))],
          [
            2,
            field.mapKind === "message"
              ? inner(shapeOf(field.message))
              : single(field.mapKind === "enum" ? WireType.Varint : wireOf(field.scalar)),
          ],
        ]),
      );
    case "list": {
      if (field.listKind === "message") return inner(shapeOf(field.message));
      const wire = field.listKind === "enum" ? WireType.Varint : wireOf(field.scalar);
      return { wire, inner: undefined, packable: wire !== WireType.LengthDelimited };
    }
    case "scalar":
      return single(wireOf(field.scalar));
    default:
      return single(WireType.Varint);
  }
}

function inner(shape: Shape): FieldShape {
  return { wire: WireType.LengthDelimited, inner: shape, packable: false };
}

function single(wire: WireType): FieldShape {
  return { wire, inner: undefined, packable: false };
}

function wireOf(scalar: ScalarType): WireType {
  switch (scalar) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return WireType.LengthDelimited;
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return WireType.Bit64;
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return WireType.Bit32;
    default:
      return WireType.Varint;
  }
}
