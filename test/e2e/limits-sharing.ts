/** What the tests of limits share their limits by; by default nothing. */
export const sharing: { setting: string } = { setting: "" };
