import type { Citation } from "../../core/chat.ts";
import { type Fields, textAt } from "./fields.ts";

/** In the place of Anthropic's own token, where another vendor's model cited: such a citation means nothing to Anthropic later. */
const foreignIndex = "sr1.semaroute.foreign.";

/** Another vendor's citation in Anthropic's words; undefined where it names no page. */
export function foreignCitation({ url, title, citedText }: Citation): Fields | undefined {
  if (url === "") return undefined;
  return {
    type: "web_search_result_location",
    url,
    title: title === "" ? null : title,
    encrypted_index: foreignIndex,
    cited_text: citedText,
  };
}

/** Whether a citation that came back is one of those. */
export function isForeignCitation(citation: Fields): boolean {
  return textAt(citation, "encrypted_index") === foreignIndex;
}
