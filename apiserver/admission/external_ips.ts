import type { KubeObject } from "../../api/meta.ts";
import { services } from "../../api/resources.ts";
import { forbidden } from "../../api/status.ts";
import { dig, texts } from "../dig.ts";

/**
 * Whoever may write a Service could take over traffic for any address with externalIPs (CVE-2020-8554): addresses may
 * only go (DenyServiceExternalIPs).
 * @param old null for a new Service
 */
export function refuseExternalIps(object: KubeObject, old: KubeObject | null): void {
  const before = new Set(texts(dig(old, "spec", "externalIPs")));
  if (texts(dig(object, "spec", "externalIPs")).every((address) => before.has(address))) return;
  throw forbidden(services, object.metadata?.name ?? "", "Use of external IPs is denied by admission control.");
}
