import { askAll } from "./muster.ts";
import type { Report } from "./protocol.ts";
import type { Member } from "./supervisor.ts";

/** What workers have counted, as they last said. */
export interface Reports {
  /** Of all that live; of one that does not answer, what it said last. */
  collect(): Promise<readonly Report[]>;
  /** Asks one; false: it did not answer in time. */
  ask(this: void, member: Member, boundMs: number): Promise<boolean>;
  keep(number: number, report: Report): void;
  /** A worker is gone. Undefined: it never said anything. */
  take(number: number): Report | undefined;
}

/** What a worker said is kept until it is gone, so that no sum goes back because one hangs. */
export function createReports(members: () => readonly Member[]): Reports {
  const reports = new Map<number, Report>();
  /** One that died meanwhile is counted elsewhere already. */
  const keep = (number: number, report: Report): void => {
    if (members().some((member) => member.number === number)) reports.set(number, report);
  };
  return {
    async collect() {
      for (const { member, answer } of await askAll(members(), { name: "report", ask: undefined })) keep(member.number, answer);
      return [...reports.values()];
    },
    async ask({ number, link }, boundMs) {
      try {
        keep(number, await link.ask("report", undefined, boundMs));
        return true;
      } catch {
        return false;
      }
    },
    keep,
    take(number) {
      const last = reports.get(number);
      reports.delete(number);
      return last;
    },
  };
}
