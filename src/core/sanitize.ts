/** Most characters of an upstream's words that are passed on. */
const lengthMax = 1024;

/** What is put where a secret was. */
const removed = "[removed]";

// Keys by their vendors' prefixes, then anything long and random enough to be one. Order matters: a whole header first.
const secrets: readonly RegExp[] = [
  /\b(?:Bearer|Basic)\s+[^\s"',;]+/gi,
  /\b(?:sk|pk|rk|gsk|xai|csk|nvapi|tgp|pplx|key|hf|fw)[-_][\w*.-]{4,}/gi,
  /\bAIza[\w-]{10,}/g,
  /\beyJ[\w-]{8,}(?:\.[\w-]+){1,2}/g,
  /\b(?:org|proj|user|acct|project|team|ws)[-_][A-Za-z0-9]{6,}/g,
  /\bhttps?:\/\/[^\s"'<>]+/gi,
  /\b(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{32,}/g,
];

/** An upstream's words without what looks like keys, organizations or addresses, cut to 1 KiB, on one line. */
export function sanitized(text: string): string {
  let clean = text.slice(0, 4 * lengthMax);
  for (const secret of secrets) clean = clean.replace(secret, removed);
  clean = clean.replaceAll(/[\s\p{Cc}]+/gu, " ").trim();
  if (clean.length <= lengthMax) return clean;
  // Between words: half a key would not be recognized as one.
  const cut = clean.slice(0, lengthMax - 1);
  const end = cut.lastIndexOf(" ");
  return `${(end > lengthMax / 2 ? cut.slice(0, end) : cut).toWellFormed()}…`;
}

/** An upstream's id of a request, if it is one that can be shown; else empty. */
export function shownId(id: string | undefined): string {
  return id !== undefined && /^[\x21-\x7e]{1,128}$/.test(id) ? id : "";
}
