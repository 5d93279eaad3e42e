import { releaseLease } from "../client/mod.ts";
import type { Platform } from "../platform/mod.ts";
import { adminClient } from "./api_access.ts";
import type { ComponentKind } from "./plan.ts";
import type { ClusterSpec } from "./spec.ts";

/** The Lease by which each kind of component elects its leader. */
export const electionLeases: Partial<Readonly<Record<ComponentKind, string>>> = {
  scheduler: "kube-scheduler",
  "controller-manager": "kube-controller-manager",
};

/**
 * Frees the Lease of a component whose process has ended, so that a standby leads at once and a Lease may be long enough
 * for a busy machine. Nothing is lost when it fails: the Lease expires, or the restarted process finds it is its own.
 */
export async function releaseLeaseOf(
  { kind, name }: { readonly kind: ComponentKind; readonly name: string },
  spec: ClusterSpec,
  platform: Platform,
): Promise<void> {
  const lease = electionLeases[kind];
  if (lease === undefined) return;
  try {
    const lock = { namespace: "kube-system", name: lease, holder: name };
    if (await releaseLease(adminClient(spec, platform), lock, platform.clock)) {
      platform.log.info("released the Lease of a component that ended", { component: name, lease });
    }
  } catch (error) {
    platform.log.debug("cannot release the Lease of a component that ended", { component: name, error: String(error) });
  }
}
