const kinds = /^(models|tunedModels)\//;

/** A model's resource name: `models/…`, unless it is one of another kind already, such as `tunedModels/…`. */
export function modelPath(upstreamModel: string): string {
  return kinds.test(upstreamModel) ? upstreamModel : `models/${upstreamModel}`;
}

/** The path of one of a model's methods, from the base URL on. Callers may choose names, so that one is never more than one step of it. */
export function methodPath(upstreamModel: string, method: string): string {
  const [, kind = "models"] = kinds.exec(upstreamModel) ?? [];
  return `/v1beta/${kind}/${encodeURIComponent(upstreamModel.replace(kinds, ""))}:${method}`;
}
