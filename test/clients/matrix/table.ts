/** All rows of the matrix that npm's packages make. */
import { aiSdkRows } from "./ai-sdk-rows.ts";
import { anthropicRows } from "./anthropic-rows.ts";
import { langchainRows } from "./langchain-rows.ts";
import { openaiResponsesRows } from "./openai-responses-rows.ts";
import { openaiRows } from "./openai-rows.ts";
import type { Row } from "./rows.ts";

/** In the order in which they are shown. */
export const rows: readonly Row[] = [...openaiRows, ...openaiResponsesRows, ...anthropicRows, ...aiSdkRows, ...langchainRows];
