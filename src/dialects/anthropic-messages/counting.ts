import type { CountingLanguage } from "../../core/dialect.ts";
import { parseJson } from "../../core/json.ts";
import { isJsonObject } from "./fields.ts";
import { encodeRequest } from "./request-encode.ts";
import { broken } from "./response-decode.ts";

/** Fields of a message's body that its counter refuses: they say how to answer, and cost no input. */
const answering: ReadonlySet<string> = new Set("max_tokens stream temperature top_p top_k stop_sequences metadata service_tier".split(" "));

/** `/v1/messages/count_tokens`, which takes the rest of a message's body. */
export const counting: CountingLanguage = {
  encodeRequest(request, target) {
    const encoded = encodeRequest(request, target, false);
    const body = parseJson(encoded.body);
    const asked = isJsonObject(body) ? Object.fromEntries(Object.entries(body).filter(([key]) => !answering.has(key))) : body;
    return { ...encoded, body: JSON.stringify(asked) };
  },
  decodeResponse(body) {
    const tokens = isJsonObject(body) ? body["input_tokens"] : undefined;
    if (typeof tokens !== "number" || !Number.isInteger(tokens) || tokens < 0 || tokens > 0xffff_ffff)
      throw broken("the count has no input_tokens");
    return tokens;
  },
};
