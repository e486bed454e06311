import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** What a collector learns of a span. */
export interface ExportedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  /** 2: SERVER; 3: CLIENT. */
  readonly kind: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly failed: boolean;
  readonly attributes: Readonly<Record<string, unknown>>;
}

type Fields = Map<number, (Uint8Array | bigint)[]>;

/** The spans of an OTLP ExportTraceServiceRequest, by the field numbers of opentelemetry-proto. */
export function spansIn(body: Uint8Array): ExportedSpan[] {
  const resourceSpans = messages(fields(body), 1);
  const scopeSpans = resourceSpans.flatMap((each) => messages(each, 2));
  return scopeSpans.flatMap((each) => messages(each, 2)).map(span);
}

function span(of: Fields): ExportedSpan {
  const [status] = messages(of, 15);
  return {
    traceId: hex(of, 1),
    spanId: hex(of, 2),
    parentSpanId: hex(of, 4),
    name: text(of, 5),
    kind: Number(number(of, 6)),
    startMs: Number(number(of, 7) / 1000n) / 1000,
    endMs: Number(number(of, 8) / 1000n) / 1000,
    failed: status !== undefined && number(status, 3) === 2n,
    attributes: Object.fromEntries(messages(of, 9).map((pair) => [text(pair, 1), value(messages(pair, 2)[0] ?? new Map())])),
  };
}

function value(of: Fields): unknown {
  if (of.has(1)) return text(of, 1);
  if (of.has(2)) return number(of, 2) === 1n;
  if (of.has(3)) return Number(number(of, 3));
  const bits = new BigUint64Array([number(of, 4)]);
  return new Float64Array(bits.buffer)[0];
}

function fields(message: Uint8Array): Fields {
  const reader = new BinaryReader(message);
  const found: Fields = new Map();
  while (reader.pos < reader.len) {
    const [no, wire] = reader.tag();
    const one = read(reader, wire);
    const list = found.get(no);
    if (list === undefined) found.set(no, [one]);
    else list.push(one);
  }
  return found;
}

function read(reader: BinaryReader, wire: WireType): Uint8Array | bigint {
  if (wire === WireType.LengthDelimited) return reader.bytes();
  if (wire === WireType.Bit64) return BigInt(reader.fixed64());
  if (wire === WireType.Varint) return BigInt(reader.uint64());
  if (wire === WireType.Bit32) return BigInt(reader.fixed32());
  throw new Error(`wire type ${wire}`);
}

function messages(of: Fields, no: number): Fields[] {
  return (of.get(no) ?? []).map((each) => fields(each instanceof Uint8Array ? each : new Uint8Array()));
}

function bytes(of: Fields, no: number): Uint8Array {
  const [first] = of.get(no) ?? [];
  return first instanceof Uint8Array ? first : new Uint8Array();
}

function number(of: Fields, no: number): bigint {
  const [first] = of.get(no) ?? [];
  return typeof first === "bigint" ? first : 0n;
}

function text(of: Fields, no: number): string {
  return Buffer.from(bytes(of, no)).toString("utf8");
}

function hex(of: Fields, no: number): string {
  return Buffer.from(bytes(of, no)).toString("hex");
}
