import { type Client, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { AdminService } from "../../gen/semaroute/v1/admin_pb.ts";

/** An operator by gRPC, with the admin token that servers under test have. */
export function adminClient({ url }: { readonly url: string }, token = "secret"): Client<typeof AdminService> {
  return createClient(
    AdminService,
    createGrpcTransport({
      baseUrl: url,
      idleConnectionTimeoutMs: 500,
      interceptors: [
        (next) => (request) => {
          request.header.set("authorization", `Bearer ${token}`);
          return next(request);
        },
      ],
    }),
  );
}
