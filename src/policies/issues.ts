import { type PolicyIssue, PolicyIssue_Severity } from "../core/chat.ts";
import { nearest } from "../core/suggest.ts";

/** Collects what is wrong with a policy. Fields are paths in its message. */
export interface Issues {
  readonly list: PolicyIssue[];
  error(field: string, message: string): void;
  warning(field: string, message: string): void;
}

/** None yet. */
export function createIssues(): Issues {
  const list: PolicyIssue[] = [];
  const add = (severity: PolicyIssue_Severity, field: string, message: string): void =>
    void list.push({ $typeName: "semaroute.v1.PolicyIssue", severity, field, message });
  return {
    list,
    error: (field, message) => add(PolicyIssue_Severity.ERROR, field, message),
    warning: (field, message) => add(PolicyIssue_Severity.WARNING, field, message),
  };
}

/** What was probably meant, to be put behind a message; empty where nothing is near. */
export function didYouMean(written: string, known: readonly string[]): string {
  const meant = nearest(written, known);
  return meant === undefined ? "" : `; did you mean ${meant}?`;
}
