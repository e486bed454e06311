import type { EmbedDoorDialect } from "../../core/dialect.ts";
import { decodeRequest } from "./request-decode.ts";
import { encodeResponse } from "./response-encode.ts";

/** OpenAI's embeddings, as spoken to a caller. Its errors are those of OpenAI's other doors. */
export const openaiEmbeddingsDoor: EmbedDoorDialect = {
  decodeRequest(body) {
    const { request, format } = decodeRequest(body);
    return { request, whole: (response) => encodeResponse(response, format) };
  },
};
