/** A rectangle of the picture, in its pixels. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A place in the picture. */
export type Point = Pick<Box, "x" | "y">;

/** From values to pixels. */
export interface Scale {
  readonly from: number;
  readonly until: number;
  readonly isLog: boolean;
  at(this: void, value: number): number;
}

/** `start` and `end` are where `from` and `until` are drawn. */
export function scaleOf(options: Omit<Scale, "at"> & { readonly start: number; readonly end: number }): Scale {
  const { from, until, isLog, start, end } = options;
  const bent = isLog ? Math.log : (value: number): number => value;
  const span = bent(until) - bent(from);
  return { from, until, isLog, at: (value) => start + (span === 0 ? 0 : ((bent(value) - bent(from)) / span) * (end - start)) };
}

/** Round values within it, few enough to be read. */
export function ticksOf({ from, until, isLog }: Scale): number[] {
  if (isLog) {
    const all = [1, 2, 5].flatMap((first) => [-2, -1, 0, 1, 2, 3, 4, 5].map((power) => first * 10 ** power));
    return all.filter((tick) => tick >= from && tick <= until).toSorted((one, other) => one - other);
  }
  const rough = (until - from) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((first) => first * power).find((each) => each >= rough) ?? rough;
  const first = Math.ceil(from / step);
  return Array.from({ length: Math.floor(until / step) - first + 1 }, (_, i) => (first + i) * step);
}

/** `anchor`: which end of it stands at the point. */
export function text({ x, y }: Point, words: string, kind: string, anchor: "start" | "middle" | "end" = "start"): string {
  return `<text class="${kind}" x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${words}</text>`;
}

/** A straight line; `kind` is its class. */
export function line(kind: string, from: Point, to: Point): string {
  return `<path class="${kind}" d="M${from.x.toFixed(1)},${from.y.toFixed(1)}L${to.x.toFixed(1)},${to.y.toFixed(1)}"/>`;
}

/** A line through all points. */
export function curve(colour: string, points: readonly Point[]): string {
  return `<path class="curve" stroke="${colour}" d="M${points.map(({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`).join("L")}"/>`;
}
