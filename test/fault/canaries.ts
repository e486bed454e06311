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
  /** Is what an upstream says of a request that it refuses. */
  words: "canary-words-the-heron-may-not-stand-here",
} as const;

/** The text holds none of them. */
export function expectNoCanary(text: string, where: string): void {
  const found = Object.entries(canaries).flatMap(([name, value]) => (text.includes(value) ? [name] : []));
  expect(found, `canaries in ${where}`).toEqual([]);
}

/** The text holds neither a key nor the prompt; what an upstream says may be where a caller reads it. */
export function expectNoSecret(text: string, where: string): void {
  const { answer: _, words: __, ...secrets } = canaries;
  const found = Object.entries(secrets).flatMap(([name, value]) => (text.includes(value) ? [name] : []));
  expect(found, `canaries in ${where}`).toEqual([]);
}
