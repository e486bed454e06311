import { isatty } from "node:tty";
import { pino, type Logger } from "pino";
import { prettyFactory } from "pino-pretty";
import type { Clock } from "../core/clock.ts";
import { createLineSink, type LineSink } from "./line-sink.ts";

/** From least to most; a level shows itself and what is above it. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** What a line says beside its message; undefined values are left out. Never a prompt, an answer, a secret or a header. */
export type LogFields = Readonly<Record<string, unknown>>;

/** The log. Messages are constants; what varies is a field. */
export interface Log {
  debug(fields: LogFields, message: string): void;
  /** The life cycle, and calls that went as they should. */
  info(fields: LogFields, message: string): void;
  /** We coped. */
  warn(fields: LogFields, message: string): void;
  /** A human must act; leaves at once, with all lines before it. */
  error(fields: LogFields, message: string): void;
  /** Whether lines of this level are written; saves making their fields. */
  writes(level: LogLevel): boolean;
  /** Writes what waits before it returns; for the end of the process. */
  flush(): void;
  /** Resolves when all lines so far are written; for an orderly stop. */
  settled(): Promise<void>;
  /** Lines lost since start. */
  dropped(): number;
}

/** How to log; from `observability.logging`. */
export interface LogOptions {
  readonly level: LogLevel;
  /** `auto`: pretty on a terminal, JSON elsewhere. */
  readonly format: "auto" | "json" | "pretty";
  readonly clock: Pick<Clock, "wall">;
  /** Number that each line tells; undefined, by default: this process has none. */
  readonly worker?: number | undefined;
  /** Whether other processes write to the same stdout. Default: false. */
  readonly isShared?: boolean;
  /** Default: stdout. */
  readonly destination?: LineSink;
}

const stdout = 1;
/** Different messages whose prefix is kept; there are a few dozen, and a mistake must not fill the memory. */
const messagesMax = 256;

/** One for the process: stdout is written by nothing else. */
export function createLog(options: LogOptions): Log {
  const sink = options.destination ?? stdoutSink(options);
  // `isatty`, since touching process.stdout would change how the descriptor blocks.
  const pretty = options.format === "pretty" || (options.format === "auto" && options.destination === undefined && isatty(stdout));
  const root = createPino(options, pretty ? prettySink(sink) : sink);

  // A message is a child logger's binding: serialised once, and in front of the fields, where people look for it.
  const children = new Map<string, Logger>();
  const named = (message: string): Logger => {
    const known = children.get(message);
    if (known !== undefined) return known;
    const child = root.child({ message });
    if (children.size < messagesMax) children.set(message, child);
    return child;
  };

  return {
    debug: (fields, message) => named(message).debug(fields),
    info: (fields, message) => named(message).info(fields),
    warn: (fields, message) => named(message).warn(fields),
    error(fields, message) {
      named(message).error(fields);
      sink.flush();
    },
    writes: (level) => root.isLevelEnabled(level),
    flush: () => sink.flushSync(),
    settled: () => sink.settled(),
    dropped: () => sink.dropped(),
  };
}

function createPino({ level, clock, worker }: LogOptions, destination: { write(line: string): void }): Logger {
  return pino(
    {
      level,
      base: worker === undefined ? null : { worker },
      messageKey: "message",
      timestamp: () => `,"timestamp":"${new Date(clock.wall()).toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
}

function stdoutSink({ isShared = false }: LogOptions): LineSink {
  const sink = createLineSink(stdout, { isShared });
  process.once("exit", () => sink.flushSync());
  return sink;
}

/** In the process, line by line: a transport's worker would lose lines at the end. */
function prettySink(sink: LineSink): { write(line: string): void } {
  const pretty = prettyFactory({
    colorize: isatty(stdout),
    messageKey: "message",
    timestampKey: "timestamp",
    translateTime: "SYS:HH:MM:ss.l",
    singleLine: true,
  });
  return {
    write(line) {
      sink.write(pretty(line));
      sink.flush();
    },
  };
}
