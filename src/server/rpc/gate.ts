import { AdminService } from "../../../gen/semaroute/v1/admin_pb.ts";
import { RouterService } from "../../../gen/semaroute/v1/router_pb.ts";
import type { Key } from "../../core/call.ts";
import type { Router } from "../../core/router.ts";
import type { AdminGate, KeyRing } from "../auth.ts";
import { wishesFrom } from "../wishes.ts";
import { callerKey, peerKey, wishesKey } from "./context.ts";
import type { RequestGate } from "./error-details.ts";

/** Who may come in; read anew for each request, because a reload may change it. */
export interface GateSettings {
  readonly keys: KeyRing;
  readonly admin: AdminGate;
  /** Who is turned away before a call of it is read. */
  readonly router: Pick<Router, "refusal" | "exhausted">;
}

/** Before a byte of the body is read: who calls, and what its metadata wishes for. Health and reflection are open. */
export function rpcGate(settings: () => GateSettings): RequestGate {
  return ({ service, method, requestHeader, values }): void | Promise<void> => {
    const header = (name: string): string | undefined => requestHeader.get(name) ?? undefined;
    const { remoteAddress, host } = values.get(peerKey);
    if (service.typeName === AdminService.typeName) {
      settings().admin.admit(method.name, {
        authorization: header("authorization"),
        remoteAddress,
        host,
        headerNames: [...requestHeader.keys()],
      });
    } else if (service.typeName === RouterService.typeName) {
      const admitted = (caller: Key): void => {
        // Before it may be refused, so that the refusal says whom it was told.
        values.set(callerKey, caller);
        if (method === RouterService.method.chat || method === RouterService.method.streamChat) {
          const { router } = settings();
          const refusal = router.refusal(caller) ?? router.exhausted(caller);
          if (refusal !== undefined) throw refusal;
        }
        values.set(wishesKey, wishesFrom(header));
      };
      const credentials = { authorization: header("authorization"), xApiKey: header("x-api-key") };
      const caller = settings().keys.authenticate(credentials, remoteAddress ?? "");
      if (caller instanceof Promise) return caller.then(admitted);
      admitted(caller);
    }
  };
}
