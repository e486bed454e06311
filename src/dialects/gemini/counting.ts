import type { CountingLanguage } from "../../core/dialect.ts";
import { parseJson } from "../../core/json.ts";
import { isJsonObject } from "../../core/json-fields.ts";
import { broken, failureInside } from "./errors.ts";
import { modelPath } from "./paths.ts";
import { encodeRequest } from "./request-encode.ts";

/** Counting, by `:countTokens`: instructions and tools are counted only within a whole request. */
export const counting: CountingLanguage = {
  encodeRequest(request, target) {
    const encoded = encodeRequest(request, target);
    const whole = parseJson(encoded.body);
    const generateContentRequest = { model: modelPath(target.upstreamModel), ...(isJsonObject(whole) && whole) };
    return { ...encoded, body: JSON.stringify({ generateContentRequest }) };
  },
  decodeResponse(body) {
    if (isJsonObject(body) && isJsonObject(body["error"])) throw failureInside(body);
    const tokens = isJsonObject(body) ? body["totalTokens"] : undefined;
    if (typeof tokens !== "number" || !Number.isInteger(tokens) || tokens < 0) throw broken("the answer has no count");
    return tokens;
  },
};
