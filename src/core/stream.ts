import { withMessageExtensions } from "./message-extensions.ts";
import { type ChatEvent, type ChatResponse, type ContentPart, type PartDelta, partDelta, partEnded, partStarted } from "./chat.ts";

/**
 * Whether the event carries something of the answer, so that the target is final once it has left: text, reasoning, a
 * refusal, a tool call, audio, a choice's end, the whole, the vectors. Starts and empty parts are held back with what follows them.
 */
export function isContent(event: ChatEvent): boolean {
  switch (event.case) {
    case "whole":
    case "embedded":
    case "choiceEnded":
    case "completed":
      return true;
    case "partStarted":
      return hasContent(event.value.part);
    case "partDelta":
      return event.value.delta.case !== undefined && event.value.delta.value !== "";
    case "started":
    case "partEnded":
    case "usage":
    case "heartbeat":
      return false;
    default:
      return event satisfies never;
  }
}

function hasContent(part: ContentPart | undefined): boolean {
  switch (part?.part.case) {
    case undefined:
      return false;
    case "text":
    case "refusal":
      return part.part.value.text !== "";
    case "reasoning":
      return part.part.value.text !== "" || part.part.value.opaque.length > 0;
    case "audio":
      return part.part.value.audioId !== "";
    default:
      return true;
  }
}

/**
 * A whole answer as the events of a stream, for a caller who asked for one: each part starts empty and comes in one
 * delta, as a vendor would send it that answers at once.
 */
export function eventsFromResponse(response: ChatResponse): ChatEvent[] {
  const events: ChatEvent[] = [
    {
      case: "started",
      value: {
        $typeName: "semaroute.v1.StreamStarted",
        id: response.id,
        model: response.model,
        ...(response.createTime !== undefined && { createTime: response.createTime }),
        ...(response.route !== undefined && { route: response.route }),
      },
    },
  ];
  for (const each of response.choices) {
    let partIndex = 0;
    for (const part of each.message?.content ?? []) pushPart(events, each.index, partIndex++, part);
    const first = events.find((event) => event.case === "partDelta" && event.value.choiceIndex === each.index);
    if (first?.case === "partDelta") first.value.logprobs = each.logprobs;
    const { finishReason, nativeFinishReason, stopSequence } = each;
    events.push({
      case: "choiceEnded",
      value: {
        $typeName: "semaroute.v1.ChoiceEnded",
        choiceIndex: each.index,
        finishReason,
        nativeFinishReason,
        stopSequence,
        extensionsJson: withMessageExtensions(each.extensionsJson, each.message?.extensionsJson ?? {}),
      },
    });
  }
  events.push({
    case: "completed",
    value: {
      $typeName: "semaroute.v1.StreamCompleted",
      ...(response.usage !== undefined && { usage: response.usage }),
      ...(response.route !== undefined && { route: response.route }),
      serviceTier: response.serviceTier,
      systemFingerprint: response.systemFingerprint,
      extensionsJson: response.extensionsJson,
    },
  });
  return events;
}

function pushPart(events: ChatEvent[], choiceIndex: number, partIndex: number, part: ContentPart): void {
  const { part: inner } = part;
  const delta = (value: PartDelta["delta"]): void => {
    events.push(partDelta(choiceIndex, partIndex, value));
  };
  switch (inner.case) {
    case "text":
      events.push(
        partStarted(choiceIndex, partIndex, { ...part, part: { case: "text", value: { ...inner.value, text: "", citations: [] } } }),
      );
      if (inner.value.text !== "") delta({ case: "text", value: inner.value.text });
      for (const citation of inner.value.citations) delta({ case: "citation", value: citation });
      break;
    case "toolCall":
      events.push(
        partStarted(choiceIndex, partIndex, { ...part, part: { case: "toolCall", value: { ...inner.value, argumentsJson: "" } } }),
      );
      if (inner.value.argumentsJson !== "") delta({ case: "argumentsJson", value: inner.value.argumentsJson });
      break;
    case "reasoning":
      events.push(partStarted(choiceIndex, partIndex, { ...part, part: { case: "reasoning", value: { ...inner.value, text: "" } } }));
      if (inner.value.text !== "") delta({ case: "reasoning", value: inner.value.text });
      break;
    case "refusal":
      events.push(partStarted(choiceIndex, partIndex, { ...part, part: { case: "refusal", value: { ...inner.value, text: "" } } }));
      if (inner.value.text !== "") delta({ case: "refusal", value: inner.value.text });
      break;
    default:
      events.push(partStarted(choiceIndex, partIndex, part));
  }
  events.push(partEnded(choiceIndex, partIndex));
}
