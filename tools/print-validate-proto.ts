import { isFieldSet } from "@bufbuild/protobuf";
import {
  type DescriptorProto,
  type EnumDescriptorProto,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  type FieldDescriptorProto,
  FieldDescriptorProtoSchema,
} from "@bufbuild/protobuf/wkt";
import { file_buf_validate_validate as file } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";

const scalars: Readonly<Record<number, string>> = {
  [FieldDescriptorProto_Type.DOUBLE]: "double",
  [FieldDescriptorProto_Type.FLOAT]: "float",
  [FieldDescriptorProto_Type.INT64]: "int64",
  [FieldDescriptorProto_Type.UINT64]: "uint64",
  [FieldDescriptorProto_Type.INT32]: "int32",
  [FieldDescriptorProto_Type.FIXED64]: "fixed64",
  [FieldDescriptorProto_Type.FIXED32]: "fixed32",
  [FieldDescriptorProto_Type.BOOL]: "bool",
  [FieldDescriptorProto_Type.STRING]: "string",
  [FieldDescriptorProto_Type.BYTES]: "bytes",
  [FieldDescriptorProto_Type.UINT32]: "uint32",
  [FieldDescriptorProto_Type.SFIXED32]: "sfixed32",
  [FieldDescriptorProto_Type.SFIXED64]: "sfixed64",
  [FieldDescriptorProto_Type.SINT32]: "sint32",
  [FieldDescriptorProto_Type.SINT64]: "sint64",
};
const labels: Readonly<Record<number, string>> = {
  [FieldDescriptorProto_Label.OPTIONAL]: "optional ",
  [FieldDescriptorProto_Label.REQUIRED]: "required ",
  [FieldDescriptorProto_Label.REPEATED]: "repeated ",
};
/** One above the highest field number (protobuf language specification, "Assigning Field Numbers"). */
const numberEnd = 536_870_912;

/**
 * The source of buf/validate/validate.proto, printed from the descriptor inside the npm package: the schema registry it
 * comes from cannot be a build's dependency, and this way source and runtime cannot differ. Comments and options are not
 * in a descriptor; nothing here needs them.
 */
export function printValidateProto(): string {
  const { proto } = file;
  const lines = ["// Printed from @bufbuild/protovalidate by tools/generate.ts.", `syntax = "proto2";`, "package buf.validate;"];
  for (const dependency of proto.dependency) lines.push(`import "${dependency}";`);
  for (const each of proto.enumType) printEnum(each, "", lines);
  for (const each of proto.messageType) printMessage(each, "", lines);
  for (const each of proto.extension) lines.push(`extend ${each.extendee} {`, fieldLine(each, "  "), "}");
  return `${lines.join("\n")}\n`;
}

function fieldLine(field: FieldDescriptorProto, indent: string, inOneof = false): string {
  const type = field.typeName === "" ? (scalars[field.type] ?? "") : field.typeName;
  return `${indent}${inOneof ? "" : (labels[field.label] ?? "")}${type} ${field.name} = ${field.number};`;
}

function printEnum(each: EnumDescriptorProto, indent: string, lines: string[]): void {
  lines.push(`${indent}enum ${each.name} {`);
  if (each.options?.allowAlias === true) lines.push(`${indent}  option allow_alias = true;`);
  for (const value of each.value) lines.push(`${indent}  ${value.name} = ${value.number};`);
  lines.push(`${indent}}`);
}

function printMessage(each: DescriptorProto, indent: string, lines: string[]): void {
  const inner = `${indent}  `;
  lines.push(`${indent}message ${each.name} {`);
  for (const nested of each.enumType) printEnum(nested, inner, lines);
  for (const nested of each.nestedType) printMessage(nested, inner, lines);
  each.oneofDecl.forEach((oneof, index) => {
    const fields = each.field.filter((field) => oneofOf(field) === index);
    if (fields.length === 0) return;
    lines.push(`${inner}oneof ${oneof.name} {`, ...fields.map((field) => fieldLine(field, `${inner}  `, true)), `${inner}}`);
  });
  for (const field of each.field) if (oneofOf(field) === undefined) lines.push(fieldLine(field, inner));
  for (const { start, end } of each.extensionRange) lines.push(`${inner}extensions ${start} to ${end >= numberEnd ? "max" : end - 1};`);
  for (const { start, end } of each.reservedRange) lines.push(`${inner}reserved ${start}${end - 1 > start ? ` to ${end - 1}` : ""};`);
  lines.push(`${indent}}`);
}

function oneofOf(field: FieldDescriptorProto): number | undefined {
  return isFieldSet(field, FieldDescriptorProtoSchema.field.oneofIndex) && !field.proto3Optional ? field.oneofIndex : undefined;
}
