import type { WorkerTable } from "./protocol.ts";
import type { Member } from "./supervisor.ts";

/** How long workers may take for what all are asked, where nobody says otherwise; milliseconds. */
const boundMsDefault = 3000;

/** An answer, and whose. */
export interface Answered<Answer> {
  readonly member: Member;
  readonly answer: Answer;
}

/** What all workers are asked. */
export interface Question<Name extends keyof WorkerTable> {
  readonly name: Name;
  readonly ask: WorkerTable[Name]["ask"];
  /** Number of the worker that is left out: it has done it itself. */
  readonly but?: number | undefined;
  readonly boundMs?: number | undefined;
}

/**
 * Asks all workers at once. The answers of those who gave one in time; whoever is still starting gets to it before it serves, and
 * is not waited for.
 */
export async function askAll<Name extends keyof WorkerTable>(
  members: readonly Member[],
  { name, ask, but, boundMs = boundMsDefault }: Question<Name>,
): Promise<readonly Answered<WorkerTable[Name]["answer"]>[]> {
  const answers = members.map(async (member) => {
    if (member.number === but) return [];
    if (!member.isUp()) {
      member.link.tell(name, ask);
      return [];
    }
    try {
      return [{ member, answer: await member.link.ask(name, ask, boundMs) }];
    } catch {
      return [];
    }
  });
  return (await Promise.all(answers)).flat();
}
