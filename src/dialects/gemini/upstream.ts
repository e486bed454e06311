import type { UpstreamDialect } from "../../core/dialect.ts";
import { isJsonObject, textAt } from "../../core/json-fields.ts";
import { counting } from "./counting.ts";
import { embeddings } from "./embeddings.ts";
import { failureFrom } from "./errors.ts";
import { encodeRequest } from "./request-encode.ts";
import { decodeResponse } from "./response-decode.ts";
import { AnswerReader } from "./stream-decode.ts";

/** Google's generateContent, as a provider's host speaks it. Model families differ more than hosts do, so there are no quirks. */
export const gemini: UpstreamDialect = {
  encodeRequest: (request, target) => encodeRequest(request, target),
  decodeResponse: (body, _quirks, context) => decodeResponse(body, context),
  streamDecoder: (_quirks, context) => new AnswerReader(context),
  failureFrom,
  decodeModels,
  embeddings,
  counting,
};

/** `{models: [{name: "models/x"}]}`. */
function decodeModels(body: unknown): readonly string[] | undefined {
  if (!isJsonObject(body) || !Array.isArray(body["models"])) return undefined;
  return body["models"].flatMap((model: unknown) =>
    isJsonObject(model) && textAt(model, "name") !== "" ? [textAt(model, "name").replace(/^models\//, "")] : [],
  );
}
