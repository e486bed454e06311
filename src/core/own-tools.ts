import { type ChatRequest, type Tool, type ToolChoice, ToolChoice_Mode } from "./chat.ts";
import { ChatError } from "./error.ts";
import type { Notes } from "./notes.ts";

/** A tool, and where it stands in the request. */
export interface PlacedTool {
  readonly tool: Tool;
  /** `tools[2]`. */
  readonly path: string;
}

/**
 * The tools that a language can show. Hosted tools of another vendor are left out with a note, since the model may do without them;
 * where the choice asks for one of those, the call is UNSUPPORTED_FEATURE.
 */
export function ownTools(request: Readonly<ChatRequest>, issuer: string, notes: Notes): readonly PlacedTool[] {
  const own: PlacedTool[] = [];
  for (const [i, tool] of request.tools.entries()) {
    const path = `tools[${i}]`;
    if (tool.kind.case !== "native" || tool.kind.value.issuer === issuer) own.push({ tool, path });
    else notes.dropped(`${path}.native`, "a hosted tool of another vendor does not run there");
  }
  if (own.length < request.tools.length && request.toolChoice !== undefined && !canChoose(request.toolChoice, own))
    throw new ChatError("UNSUPPORTED_FEATURE", "the tools to choose from are hosted by another vendor", { field: "tool_choice" });
  return own;
}

/** Whether what is left is enough for the choice. */
function canChoose({ mode, allowedNames }: ToolChoice, left: readonly PlacedTool[]): boolean {
  // Hosted tools of the language's own have names that only it knows.
  if (mode === ToolChoice_Mode.NONE) return true;
  if (allowedNames.length > 0) return left.some(({ tool }) => tool.kind.case === "native" || allowedNames.includes(toolName(tool)));
  return mode !== ToolChoice_Mode.REQUIRED || left.length > 0;
}

/** The caller's name for a tool; empty for a hosted one, which has none in the vocabulary. */
export function toolName({ kind }: Tool): string {
  return kind.case === "function" || kind.case === "custom" ? kind.value.name : "";
}
