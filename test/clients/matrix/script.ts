/** What callers ask in the matrix, and what each vendor answers. */

/** Questions, by what is tried with them. */
export const prompts = {
  say: "say this just as it stands",
  json: "the weather as json",
  find: "where is it?",
  compare: "compare Paris and Rome",
  think: "think about it",
} as const;

/** Answers to them. */
export const answers = {
  json: '{"city":"Paris","celsius":21}',
  find: { name: "find", arguments: '{"city":"Paris"}' },
  found: "it is in Paris",
  /** At once, in the first round. */
  celsius: [
    { name: "celsius", arguments: '{"city":"Paris"}' },
    { name: "celsius", arguments: '{"city":"Rome"}' },
  ],
  /** In the second. */
  difference: { name: "difference", arguments: '{"of":[21,30]}' },
  compared: "Rome is 9 degrees warmer",
  thinking: "Hm, let me see.",
  thought: "so it is",
  tokens: 4711,
} as const;

/** What the tools of the comparison say. */
export const results = { Paris: "21", Rome: "30", difference: "9" } as const;

/** What the tools must have been called with, in this order. */
export const called = [{ city: "Paris" }, { city: "Rome" }, { of: [21, 30] }] as const;
