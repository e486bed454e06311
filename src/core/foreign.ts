import type { ChatRequest, ContentPart, Opaque } from "./chat.ts";
import { type Extensions, fieldsUnder } from "./extensions.ts";
import { partsOf } from "./message-parts.ts";
import type { Notes } from "./notes.ts";

// What a request holds for the readers of one language, and what is to be told of it where another one is spoken. It is the same
// in all of them, so that the same loss has the same name everywhere.

/** What a language reads of what is not the vocabulary's own. */
export interface Reading {
  /** What its own fields are filed under. */
  readonly issuer: string;
  /** Paths of request fields that it reads of another language's. */
  readonly shared?: ReadonlySet<string>;
  /** Whether it sends a token that hangs on this part; those of reasoning are told of where reasoning is encoded. Default: none. */
  readonly token?: (token: Opaque, part: ContentPart) => boolean;
}

/** Notes extra fields of other languages and tokens of other issuers, wherever they stand. */
export function noteForeign(request: Readonly<ChatRequest>, reading: Reading, notes: Notes): void {
  for (const by of othersIn(request.extensionsJson, reading.issuer))
    for (const [key, value] of entriesOf(by, request.extensionsJson)) {
      if (value === null) continue;
      const path = `extensions_json.${by}.${key}`;
      if (reading.shared?.has(path) !== true) notes.dropped(path, foreignField);
    }
  for (const [i, tool] of request.tools.entries()) noteFields(tool.extensionsJson, `tools[${i}]`, reading, notes);
  for (const [i, message] of request.messages.entries()) {
    noteFields(message.extensionsJson, `messages[${i}]`, reading, notes);
    for (const { part, path } of partsOf(message, `messages[${i}]`)) notePart(part, path, reading, notes);
  }
}

const foreignField = "a field of another dialect";

function notePart(part: ContentPart, path: string, reading: Reading, notes: Notes): void {
  noteFields(part.extensionsJson, path, reading, notes);
  if (part.opaque.some((token) => reading.token?.(token, part) !== true))
    notes.dropped(`${path}.opaque`, "tokens of another vendor go back to their issuer only");
  if (part.part.case !== "toolResult") return;
  for (const [i, inner] of part.part.value.content.entries()) notePart(inner, `${path}.tool_result.content[${i}]`, reading, notes);
}

/** Within messages and tools there may be many, so that they are told of in one. */
function noteFields(extensions: Readonly<Extensions>, path: string, { issuer }: Reading, notes: Notes): void {
  for (const by of othersIn(extensions, issuer))
    if (entriesOf(by, extensions).some(([, value]) => !saysNothing(value)))
      notes.dropped(`${path}.extensions_json.${by}`, "fields of another dialect");
}

function othersIn(extensions: Readonly<Extensions>, own: string): readonly string[] {
  return Object.keys(extensions)
    .filter((issuer) => issuer !== own)
    .toSorted();
}

/** What is filed under an issuer. What is not a JSON object is not ours to complain about. */
function entriesOf(issuer: string, extensions: Readonly<Extensions>): readonly (readonly [key: string, value: unknown])[] {
  try {
    return Object.entries(fieldsUnder(issuer, extensions) ?? {});
  } catch {
    return [];
  }
}

/** SDKs send an answer's empty lists back with it. */
function saysNothing(value: unknown): boolean {
  return value === null || (Array.isArray(value) && value.length === 0);
}
