import type { EmbeddingLanguage } from "../../core/dialect.ts";
import { encodeRequest } from "./request-encode.ts";
import { decodeResponse } from "./response-decode.ts";

/** OpenAI's embeddings, as spoken to an upstream: OpenAI itself and all the hosts that took over its language. */
export const openaiEmbeddings: EmbeddingLanguage = { encodeRequest, decodeResponse };
