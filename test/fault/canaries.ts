import { expect } from "vitest";

/** What must not be found where it does not belong; each is sent through the server by every cell. */
export const canaries = {
  /** The key that every provider is configured with. */
  providerKey: "sk-canary-provider-5f1d0c",
  /** The key that every caller has. */
  callerKey: "sk-canary-caller-9b72ae",
  /** Is in every prompt. */
  prompt: "canary-prompt-the-heron-stands-in-the-reeds",
  /** Is in every answer of an upstream. */
  answer: "canary-answer-the-otter-dives-at-dawn",
} as const;

/** The text holds none of them. */
export function expectNoCanary(text: string, where: string): void {
  const found = Object.entries(canaries).flatMap(([name, value]) => (text.includes(value) ? [name] : []));
  expect(found, `canaries in ${where}`).toEqual([]);
}

/** The text holds neither a key nor the prompt; answers may be where a caller reads them. */
export function expectNoSecret(text: string, where: string): void {
  const { answer: _, ...secrets } = canaries;
  const found = Object.entries(secrets).flatMap(([name, value]) => (text.includes(value) ? [name] : []));
  expect(found, `canaries in ${where}`).toEqual([]);
}
