import { Code, ConnectError } from "@connectrpc/connect";
import { ChatError } from "../../core/error.ts";

/** Why Connect gave up on an RPC, in our words; `gone` says it of a caller who is not there any more. */
export function chatErrorFromAbort(reason: unknown, gone: () => ChatError): ChatError {
  if (reason instanceof ChatError) return reason;
  const code = reason instanceof ConnectError ? reason.code : Code.Canceled;
  if (code === Code.DeadlineExceeded) return new ChatError("DEADLINE_EXCEEDED", "the caller's deadline has passed");
  return gone();
}
