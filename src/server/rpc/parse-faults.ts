import type { DescEnum, DescMessage } from "@bufbuild/protobuf";

/** Protobuf's parser quotes the values it refuses, which may be prompts; names, types and expectations are kept. */
const parseFault =
  /^cannot decode (?:\w+ )?[\w.]+ from (?:JSON|binary)(?:: (?:key "[^"]{1,128}" is unknown|expected [\w -]+|duplicate object key "[^"]{1,128}"|set multiple times|invalid RFC 3339 string))?/;
const enumFault = /^cannot decode enum ([\w.]+) from JSON/;

/** What is told of a message that could not be read, without its values; of a word that an enum has not, also those it has. */
export function toldFault(text: string, input?: DescMessage): string {
  if (!text.startsWith("cannot decode ")) return text;
  const told = parseFault.exec(text)?.[0] ?? "cannot decode the message";
  const [, enumName] = enumFault.exec(told) ?? [];
  const words = enumName === undefined || input === undefined ? undefined : enumWithin(input, enumName, new Set());
  return words === undefined ? told : `${told}: expected ${words.values.map(({ name }) => name).join(", ")}`;
}

/** The enum of that name in the message, or in those within it. */
function enumWithin(message: DescMessage, name: string, seen: Set<DescMessage>): DescEnum | undefined {
  if (seen.has(message)) return undefined;
  seen.add(message);
  for (const field of message.fields) {
    if (field.enum?.typeName === name) return field.enum;
    const found = field.message && enumWithin(field.message, name, seen);
    if (found !== undefined) return found;
  }
  return undefined;
}
