import { parseArguments } from "./cli/arguments.ts";
import { check } from "./cli/check.ts";
import { examinePolicy } from "./policies/examine.ts";
import { providerTypes } from "./providers/hosts.ts";
import { describeModel, knownModels, tellsKind } from "./providers/known-models.ts";
import { priceOf } from "./providers/prices.ts";
import type { ExitCode, Running } from "./serve.ts";
import { version } from "./version.ts";
import type { Crew } from "./workers/crew.ts";
import type { Leaving } from "./workers/protocol.ts";

/** A second signal this soon is the same key press, or the shell and npm both passing one on. */
const secondSignalMs = 1000;

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
const complain = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

const command = parseArguments(process.argv.slice(2));
const input = {
  environment: process.env,
  cwd: process.cwd(),
  providerTypes,
  examinePolicy,
  isPriced: (type: string, model: string) => priceOf(type, model) !== undefined,
  kindOf: (type: string, model: string) => (tellsKind(type, model) ? describeModel(type, model).kind : undefined),
  modelsOf: (type: string) => knownModels(type).map(({ id }) => id),
};
switch (command.kind) {
  case "version":
    print(`semaroute ${version}`);
    break;
  case "help":
    print(command.text);
    break;
  case "usage":
    complain(command.message);
    process.exitCode = 64;
    break;
  case "check":
    process.exitCode = check({ ...input, explicitPath: command.config, strict: command.strict, write: print });
    break;
  case "explain": {
    const { config, model, streamed } = command;
    const { explain } = await import("./cli/explain.ts");
    const { explainOffline } = await import("./offline.ts");
    process.exitCode = await explain({ ...input, explicitPath: config, model, streamed, explain: explainOffline, write: print });
    break;
  }
  case "policy": {
    const { policyCommand } = await import("./cli/policy.ts");
    const { examineOffline } = await import("./offline.ts");
    process.exitCode = await policyCommand({ ...input, command, examine: examineOffline, nowWall: Date.now(), write: print });
    break;
  }
  case "schema": {
    const { configurationSchema } = await import("./config/json-schema.ts");
    // Longer than a pipe holds: a reader such as head leaves before its end, and that is no error of ours.
    process.stdout.on("error", () => undefined);
    print(JSON.stringify(configurationSchema(), null, 2));
    break;
  }
  case "key": {
    const { keyCommand } = await import("./cli/key.ts");
    process.exitCode = await keyCommand({ ...input, command, nowWall: Date.now(), write: print });
    break;
  }
  case "serve":
    await run(command.config);
    break;
  default:
    command satisfies never;
}

async function run(config: string | undefined): Promise<void> {
  // Loaded only where it is needed: a version or a help text should not wait for a server.
  const crew = joinCrew();
  const starting = Promise.all([import("./start.ts"), crew]).then(([{ start }, joined]) =>
    start({ ...input, explicitPath: config, tell: complain, random: Math.random, crew: joined }),
  );
  // Heard from the first moment: whoever reads "listening" may send one at once, and unheard it would kill the process.
  let stoppingSince: number | undefined;
  const onStop = (): void => {
    if (stoppingSince !== undefined) {
      if (performance.now() - stoppingSince >= secondSignalMs) process.exit(1);
      return;
    }
    end();
  };
  const end = (why?: Leaving): void => {
    if (stoppingSince !== undefined) return;
    stoppingSince = performance.now();
    void stop(starting, why).then(
      (code) => process.exit(code),
      () => process.exit(1),
    );
  };
  void crew.then((joined) => joined?.leaving.promise.then(end));
  process.on("SIGTERM", onStop);
  process.on("SIGINT", onStop);
  // Of workers the primary alone is asked for these: whoever signals a whole group means it once.
  for (const [signal, act] of [
    ["SIGHUP", (running: Running) => running.reload()],
    ["SIGUSR2", (running: Running) => running.restartWorkers()],
  ] as const) {
    process.on(signal, () => {
      void starting.then(async (running) => {
        if (typeof running !== "number" && (await crew) === undefined) await act(running);
      });
    });
  }
  const running = await starting;
  if (typeof running === "number") process.exit(running);
}

/** Undefined: this process is no worker. Whoever has no channel to a parent need not know what a worker is. */
async function joinCrew(): Promise<Crew | undefined> {
  if (process.send === undefined) return undefined;
  const { joinCrew: join } = await import("./workers/crew.ts");
  const { systemClock } = await import("./stores/system-clock.ts");
  return join(systemClock);
}

async function stop(starting: Promise<Running | ExitCode>, why: Leaving | undefined): Promise<ExitCode> {
  const running = await starting;
  if (typeof running === "number") return running;
  await running.stop(why);
  return 0;
}
