import { type ChatResponse, type Choice, choice as emptyChoice } from "../../core/chat.ts";
import { answerBlocks } from "./answer-blocks.ts";
import { type Held, stopFields } from "./answer-stop.ts";
import { messageUsage } from "./answer-usage.ts";
import { extensionFields, type Fields, mergedFields } from "./fields.ts";

/** A whole answer as JSON text. */
export function encodeAnswer(response: ChatResponse): string {
  const choice = response.choices[0] ?? emptyChoice(0, []);
  const parts = choice.message?.content ?? [];
  const own: Fields = {
    ...messageStart(response.id, response.model),
    content: parts.flatMap(answerBlocks),
    ...stopFields(choice, heldBy(choice)),
    usage: messageUsage(response.usage, response.serviceTier),
  };
  return JSON.stringify(mergedFields(extensionFields(response.extensionsJson, ""), own));
}

/** What all messages begin with. */
export function messageStart(id: string, model: string): Fields {
  return { id: id.startsWith("msg_") ? id : `msg_${id}`, type: "message", role: "assistant", model };
}

function heldBy({ message }: Choice): Held {
  const has = (kind: string): boolean => message?.content.some(({ part }) => part.case === kind) === true;
  return { toolCall: has("toolCall"), refusal: has("refusal") };
}
