import type { SpanExporter } from "@opentelemetry/sdk-trace";
import type { Clock } from "../core/clock.ts";
import type { CallObserver } from "../core/telemetry.ts";
import { callSpans } from "./call-spans.ts";

/** Spans of calls, on their way to a collector. */
export interface Tracing {
  /** Undefined: tracing is off. */
  readonly observer: CallObserver | undefined;
  /** Sends what waits, for at most 3 s; never rejects. */
  shutdown(): Promise<void>;
}

/** From `observability.tracing`. */
export interface TracingOptions {
  readonly enabled: boolean;
  /** Base URL of an OTLP/HTTP collector, without `/v1/traces`. */
  readonly endpoint: string;
  /** Part of the calls without a caller's trace that is recorded; 0 to 1. */
  readonly sampleRatio: number;
  /** Ours, for `service.version`. */
  readonly version: string;
  readonly clock: Pick<Clock, "now" | "wall">;
  /** Hears how many spans a collector did not take. */
  readonly onLost?: (spans: number) => void;
}

/** Milliseconds an export may take, repeats included. */
const exportMs = 5000;
/** Milliseconds `shutdown` waits: a collector that hangs costs its spans, and hardly delays the end. */
const shutdownMs = 3000;

/** The SDK is loaded only when enabled: it takes 100 ms and some ten megabytes. */
export async function createTracing(options: TracingOptions): Promise<Tracing> {
  if (!options.enabled) return { observer: undefined, shutdown: () => Promise.resolve() };
  const [sdk, { resourceFromAttributes }, { OTLPTraceExporter }] = await Promise.all([
    import("@opentelemetry/sdk-trace"),
    import("@opentelemetry/resources"),
    import("@opentelemetry/exporter-trace-otlp-proto"),
  ]);
  const otlp = new OTLPTraceExporter({ url: `${options.endpoint.replace(/\/+$/, "")}/v1/traces`, timeoutMillis: exportMs });
  const exporter: SpanExporter = {
    export(spans, done) {
      otlp.export(spans, (result) => {
        // The enum itself is in a package that we do not depend on; 0 is success.
        const code: number = result.code;
        if (code !== 0) options.onLost?.(spans.length);
        done(result);
      });
    },
    shutdown: () => otlp.shutdown(),
    forceFlush: () => otlp.forceFlush(),
  };
  const provider = new sdk.TracerProvider({
    resource: resourceFromAttributes({ "service.name": "semaroute", "service.version": options.version }),
    sampler: new sdk.ParentBasedSampler({ root: new sdk.TraceIdRatioBasedSampler(options.sampleRatio) }),
    spanProcessors: [new sdk.BatchSpanProcessor({ exporter, exportTimeoutMillis: exportMs })],
  });
  return {
    observer: callSpans(provider.getTracer("semaroute", options.version), options.clock),
    shutdown() {
      const over = provider.shutdown().catch(() => undefined);
      return new Promise((resolve) => {
        const timer = setTimeout(resolve, shutdownMs);
        void over.then(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    },
  };
}
