import type { CredentialChange } from "../core/health.ts";
import type { Log } from "./log.ts";

/** One line a change, however many calls meet it: a person has to mend a credential, and nobody wants to read of it per call. */
export function credentialLog(log: Log): (change: CredentialChange) => void {
  return ({ provider, target, reason }) => {
    if (reason === undefined) log.info({ provider, target }, "provider credential is taken again");
    else log.warn({ provider, target, reason }, "provider credential is refused");
  };
}
