/** An error that comes late: whoever waited ten seconds for it is not made to wait as long again. */
import { answered, failed } from "./outcome.ts";
import { wellSaid } from "./scene.ts";
import { always, errorJson, sleep, write } from "./steps.ts";
import { faultTable } from "./table.ts";

faultTable(
  "late",
  [
    {
      id: "U46",
      fault: "a 500 after ten seconds",
      protocols: "RU",
      script: always(sleep(10_200), write(errorJson(500))),
      // Not repeated where it failed; another target is asked all the same, for it can serve the call.
      lone: () => failed("UPSTREAM_UNAVAILABLE", 1),
      pair: () => answered(wellSaid, 2),
    },
  ],
  { timeouts: "connect: 3s, first_token: 20s, idle: 20s, progress: 20s, total: 30s" },
);
