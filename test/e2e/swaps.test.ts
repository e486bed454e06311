import { create } from "@bufbuild/protobuf";
import { createClient, type Interceptor } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { expect, test } from "vitest";
import { AdminService } from "../../gen/semaroute/v1/admin_pb.ts";
import { RoutingPolicySchema } from "../../src/core/chat.ts";
import { doorClients } from "./doors.ts";
import { openHouse } from "./house.ts";

/** `npm run swaps` makes a thousand. */
const swaps = Number(process.env["SWAPS"] ?? "200");

const config = `
health: {probe: none}
providers:
  a: {type: simulated, first_token: 1ms, tokens_per_second: 100000, models: [{id: m, input_price: 1, output_price: 1}]}
  b: {type: simulated, first_token: 1ms, tokens_per_second: 100000, models: [{id: m, input_price: 9, output_price: 9}]}
`;

const withToken: Interceptor = (next) => (request) => {
  request.header.set("authorization", "Bearer admin");
  return next(request);
};

/** Another one each time, of two kinds. */
function policyNumber(each: number) {
  const [primaryProvider, backup] = each % 2 === 0 ? (["a", "b"] as const) : (["b", "a"] as const);
  return each % 3 === 0
    ? create(RoutingPolicySchema, { kind: { case: "costBased", value: { costWeight: 1 + each } } })
    : create(RoutingPolicySchema, { kind: { case: "failover", value: { primaryProvider, backupProviders: [backup] } } });
}

test(`${swaps} swaps during calls by every protocol fail no call, and every call has exactly one revision`, async () => {
  await using house = await openHouse(config);
  const admin = createClient(AdminService, createGrpcTransport({ baseUrl: house.url, interceptors: [withToken] }));
  const over = new AbortController();
  const failures: unknown[] = [];
  let calls = 0;
  const load = doorClients.map(async (door) => {
    while (!over.signal.aborted) {
      await door.ask(house.url, { model: "m" }).then(
        () => calls++,
        (error: unknown) => failures.push(error),
      );
    }
  });
  const revisions = new Set<string>([house.gateway.policies.active().revision]);
  for (let each = 0; each < swaps; each++) {
    const { policy } = await admin.swapPolicy({ policy: policyNumber(each), share: each % 5 === 4 ? 0.5 : 1 });
    revisions.add(policy?.revision ?? "");
  }
  over.abort();
  await Promise.all(load);
  expect(failures).toEqual([]);
  expect(house.bugs).toEqual([]);
  let pageToken = "";
  let seen = 0;
  do {
    const page = await admin.listDecisions({ pageSize: 1000, pageToken });
    for (const { policyRevision, candidates } of page.decisions) {
      expect(revisions).toContain(policyRevision);
      // The ranking is that policy's own: scores, or none at all.
      const kind = house.gateway.policies.find(policyRevision)?.policy?.kind.case;
      if (kind !== undefined) expect(candidates[0]?.terms.some(({ name }) => name === "cost")).toBe(kind === "costBased");
    }
    seen += page.decisions.length;
    ({ nextPageToken: pageToken } = page);
  } while (pageToken !== "");
  expect(calls).toBeGreaterThan(doorClients.length);
  expect(seen).toBe(Math.min(calls, 10_000));
}, 300_000);
