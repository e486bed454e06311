import { type CallRequest, dropped, isEmbedRequest, type TranslationNote } from "../core/chat.ts";

/** What a simulated provider cannot do for a request: it writes text, calls tools that are forced, and embeds alike for all tasks. */
export function simulatedNotes(request: Readonly<CallRequest>): readonly TranslationNote[] {
  if (isEmbedRequest(request))
    return request.taskType === "" ? [] : [dropped("task_type", "a simulated provider embeds alike for all tasks")];
  const notes: TranslationNote[] = [];
  const other = request.modalities.filter((modality) => modality !== "text");
  if (other.length > 0)
    notes.push(dropped("modalities", `a simulated provider writes text only, not ${other.length === 1 ? "this" : "these"}`));
  if (request.audio !== undefined) notes.push(dropped("audio", "a simulated provider has no voice"));
  if (request.sampling?.logprobs === true) notes.push(dropped("sampling.logprobs", "a simulated provider has no probabilities"));
  if (request.reasoning !== undefined) notes.push(dropped("reasoning", "a simulated provider does not think"));
  return notes;
}
