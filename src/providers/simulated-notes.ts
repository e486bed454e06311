import { dropped, type ChatRequest, type TranslationNote } from "../core/chat.ts";

/** What a simulated provider cannot do for a request: it writes text, and calls tools that are forced. */
export function simulatedNotes(request: Readonly<ChatRequest>): readonly TranslationNote[] {
  const notes: TranslationNote[] = [];
  const other = request.modalities.filter((modality) => modality !== "text");
  if (other.length > 0)
    notes.push(dropped("modalities", `a simulated provider writes text only, not ${other.length === 1 ? "this" : "these"}`));
  if (request.audio !== undefined) notes.push(dropped("audio", "a simulated provider has no voice"));
  if (request.sampling?.logprobs === true) notes.push(dropped("sampling.logprobs", "a simulated provider has no probabilities"));
  if (request.reasoning !== undefined) notes.push(dropped("reasoning", "a simulated provider does not think"));
  return notes;
}
