/** A model's resource name: `models/…`, unless it is one of another kind already, such as `tunedModels/…`. */
export function modelPath(upstreamModel: string): string {
  return /^(?:models|tunedModels)\//.test(upstreamModel) ? upstreamModel : `models/${upstreamModel}`;
}

/** The path of one of a model's methods, from the base URL on. */
export function methodPath(upstreamModel: string, method: string): string {
  return `/v1beta/${modelPath(upstreamModel).split("/").map(encodeURIComponent).join("/")}:${method}`;
}
