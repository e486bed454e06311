import type { Target } from "../../core/catalog.ts";
import { dropped, type EmbedRequest, type TranslationNote } from "../../core/chat.ts";
import type { EncodedRequest, Quirks } from "../../core/dialect.ts";
import { ChatError } from "../../core/error.ts";
import { reservedFields } from "../../core/reserved.ts";
import { extensionFields, extensionIssuer, refuse } from "./fields.ts";

/** The body of POST …/embeddings for one target, and what had to be left out. */
export function encodeRequest(request: Readonly<EmbedRequest>, target: Target, quirks: Quirks): EncodedRequest {
  const notes: TranslationNote[] = [];
  const body: Record<string, unknown> = { ...extraOf(request, quirks, notes), model: target.upstreamModel };
  if (request.dimensions !== undefined) body[quirks.dimensionsField ?? "dimensions"] = request.dimensions;
  if (request.taskType !== "") notes.push(dropped("task_type", "the dialect has no such field"));
  if (request.endUserId !== "") {
    if (quirks.refuses?.has("user") === true) notes.push(dropped("end_user_id", "the host refuses it"));
    else body["user"] = request.endUserId;
  }
  // Our own answer may be in either form: the upstream is asked for what is the cheaper to read.
  if (quirks.base64Vectors === true) body["encoding_format"] = "base64";
  body["input"] = inputOf(request, target, quirks);
  return { body: JSON.stringify(body), notes };
}

function extraOf({ extensionsJson }: Readonly<EmbedRequest>, quirks: Quirks, notes: TranslationNote[]): Record<string, unknown> {
  for (const issuer of Object.keys(extensionsJson))
    if (issuer !== extensionIssuer) notes.push(dropped(`extensions_json.${issuer}`, "fields of another dialect"));
  const extra: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(extensionFields(extensionsJson))) {
    if (quirks.strictFields === true) notes.push(dropped(key, "the host refuses fields it does not know"));
    else if (reservedFields.has(key) || ownFields.has(key)) notes.push(dropped(key, "decided by the gateway"));
    else extra[key] = value;
  }
  return extra;
}

/** What no extension may set besides what is reserved everywhere: vectors of another kind could not be read. */
const ownFields: ReadonlySet<string> = new Set(["encoding_format", "dimensions", "output_dimension", "output_dtype"]);

/** A lone text as a text, which more hosts know than a list of one. */
function inputOf({ inputs }: Readonly<EmbedRequest>, target: Target, quirks: Quirks): unknown {
  const list = inputs.map(({ input }) => {
    if (input.case === "text") return input.value;
    if (input.case === undefined) return refuse("input", "must be text or tokens");
    if (quirks.tokenInput === true) return input.value.ids;
    throw new ChatError("UNSUPPORTED_FEATURE", `target ${target.id} embeds texts, not token arrays`, { field: "input" });
  });
  return list.length === 1 && typeof list[0] === "string" ? list[0] : list;
}
