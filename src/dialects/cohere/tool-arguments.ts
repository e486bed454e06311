/** Arguments as text. Of a call without any, Cohere says null, or "null", or nothing. */
export function argumentsText(value: unknown): string {
  const text = typeof value === "string" ? value : value === undefined || value === null ? "" : JSON.stringify(value);
  return saysNothing(text) ? "{}" : text;
}

/** Whether these arguments stand for none. */
export function saysNothing(text: string): boolean {
  const trimmed = text.trim();
  return trimmed === "" || trimmed === "null";
}
