import type { HttpsPost } from "../mod.ts";
import { callHttps } from "./https_call.ts";

/** POST of JSON over TLS, as {@linkcode callHttps} calls. */
export async function postHttps({ body, ...post }: HttpsPost): Promise<Response> {
  const headers = [["accept", "application/json"], ["content-type", "application/json"]] as const;
  return await callHttps({ ...post, method: "POST", headers, body: new TextEncoder().encode(body) });
}
