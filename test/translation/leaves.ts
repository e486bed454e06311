import { clone, type DescField, type DescMessage } from "@bufbuild/protobuf";
import { reflect, type ReflectMessage } from "@bufbuild/protobuf/reflect";
import { type ChatRequest, ChatRequestSchema } from "../../src/core/chat.ts";

/** Something that a request says. */
export interface Leaf {
  /** Path in ChatRequest, as notes have it: `messages[0].content[1].image.detail`. */
  readonly path: string;
  /** `semaroute.v1.ImagePart.detail`. */
  readonly field: string;
  /** The request without it. */
  readonly without: ChatRequest;
}

/** Everything a request says, found by reflection: a new field of the API is a new leaf. */
export function leavesOf(request: ChatRequest): Leaf[] {
  const leaves: Leaf[] = [];
  visit(reflect(ChatRequestSchema, request), [], (steps, desc) => {
    const copy = clone(ChatRequestSchema, request);
    remove(reflect(ChatRequestSchema, copy), steps);
    leaves.push({ path: pathOf(steps), field: `${desc.parent.typeName}.${desc.name}`, without: copy });
  });
  return leaves;
}

type Step = { readonly field: DescField; readonly at?: number | string };

function visit(message: ReflectMessage, before: readonly Step[], found: (steps: readonly Step[], field: DescField) => void): void {
  for (const field of message.fields) {
    if (!message.isSet(field)) continue;
    switch (field.fieldKind) {
      case "message": {
        const inner: ReflectMessage = message.get(field);
        const steps = [...before, { field }];
        if (isEmpty(inner) || field.message.typeName.startsWith("google.protobuf.")) found(steps, field);
        else visit(inner, steps, found);
        break;
      }
      case "list":
        for (const [at, each] of [...message.get(field)].entries()) {
          const steps = [...before, { field, at }];
          if (field.listKind === "message") visit(each as ReflectMessage, steps, found);
          else found(steps, field);
        }
        break;
      case "map":
        for (const [at] of message.get(field)) found([...before, { field, at: String(at) }], field);
        break;
      default:
        found([...before, { field }], field);
    }
  }
}

function isEmpty(message: ReflectMessage): boolean {
  return message.fields.every((field) => !message.isSet(field));
}

function remove(message: ReflectMessage, steps: readonly Step[]): void {
  const [step, ...rest] = steps;
  if (step === undefined) return;
  const { field, at } = step;
  if (field.fieldKind === "list" && typeof at === "number") {
    const list = message.get(field);
    if (rest.length > 0) return remove(list.get(at) as ReflectMessage, rest);
    const kept = [...list].filter((_, i) => i !== at);
    list.clear();
    for (const each of kept) list.add(each);
    return;
  }
  if (field.fieldKind === "map") {
    message.get(field).delete(at ?? "");
    return;
  }
  if (rest.length > 0 && field.fieldKind === "message") return remove(message.get(field), rest);
  message.clear(field);
}

function pathOf(steps: readonly Step[]): string {
  return steps.map(({ field, at }) => `${field.name}${at === undefined ? "" : typeof at === "number" ? `[${at}]` : `.${at}`}`).join(".");
}

/** All fields that a request can have, by reflection; those of types that a field leads back to are listed once. */
export function fieldsOf(schema: DescMessage, seen = new Set<string>()): string[] {
  if (seen.has(schema.typeName)) return [];
  seen.add(schema.typeName);
  return schema.fields.flatMap((field) => {
    if (field.message === undefined) return [`${schema.typeName}.${field.name}`];
    const inner = fieldsOf(field.message, seen);
    return field.message.fields.length === 0 ? [`${schema.typeName}.${field.name}`] : inner;
  });
}
