import { methodNotAllowed } from "../../api/status.ts";
import type { Exchange } from "../exchange.ts";
import type { Registry } from "../registry/context.ts";
import { respondBytes, textBytes } from "../respond.ts";

const configurationPath = "/.well-known/openid-configuration";
const keysPath = "/openid/v1/jwks";

export function isIssuerDiscovery(path: string): boolean {
  return path === configurationPath || path === keysPath;
}

/**
 * What others need to verify this cluster's ServiceAccount tokens without asking it about each (KEP-1393): the issuer
 * and where its keys are, in OpenID Connect's form.
 */
export async function handleIssuerDiscovery(registry: Registry, exchange: Exchange): Promise<Response> {
  const { request, url } = exchange;
  if (request.method !== "GET" && request.method !== "HEAD") {
    throw methodNotAllowed({ group: "", resource: "" }, request.method.toLowerCase());
  }
  const key = await registry.tokens.publicKey();
  const { address, port } = registry.config.advertise;
  const [type, document] = url.pathname === keysPath ? ["application/jwk-set+json", { keys: [key] }] as const : [
    "application/json",
    {
      issuer: registry.tokens.issuer,
      jwks_uri: `https://${address}:${port}${keysPath}`,
      response_types_supported: ["id_token"],
      subject_types_supported: ["public"],
      id_token_signing_alg_values_supported: [key.alg],
    },
  ] as const;
  const response = respondBytes(200, type, textBytes(JSON.stringify(document)));
  response.headers.set("cache-control", "public, max-age=3600");
  return response;
}
