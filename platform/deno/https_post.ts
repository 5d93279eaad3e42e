import type { HttpsCall, HttpsPost } from "../mod.ts";
import { callHttps } from "./https_call.ts";

/** POST of JSON over TLS, as {@linkcode callHttps} calls. */
export async function postHttps({ body, traceparent, ...post }: HttpsPost): Promise<Response> {
  const headers: HttpsCall["headers"] = [
    ["accept", "application/json"],
    ["content-type", "application/json"],
    ...(traceparent === undefined ? [] : [["traceparent", traceparent] as const]),
  ];
  return await callHttps({ ...post, method: "POST", headers, body: new TextEncoder().encode(body) });
}
