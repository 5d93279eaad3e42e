/** Admission plug-ins that can be switched, by upstream's names; true: on by default. */
const switchable = {
  CertificateApproval: true,
  CertificateSigning: true,
  CertificateSubjectRestriction: true,
  DefaultStorageClass: true,
  DefaultTolerationSeconds: true,
  DenyServiceExternalIPs: false,
  LimitRanger: true,
  // Upstream leaves it to whoever sets up a cluster; without it every kubelet may change every node.
  NodeRestriction: true,
  PodSecurity: true,
  Priority: true,
  ResourceQuota: true,
  RuntimeClass: true,
  ServiceAccount: true,
  TaintNodesByCondition: true,
} as const;

export type AdmissionPlugin = keyof typeof switchable;

/** Whether a plug-in takes part. */
export type IsEnabled = (plugin: AdmissionPlugin) => boolean;

export class AdmissionPluginError extends Error {
  override readonly name = "AdmissionPluginError";
}

function isPlugin(name: string): name is AdmissionPlugin {
  return Object.hasOwn(switchable, name);
}

/**
 * What --enable-admission-plugins and --disable-admission-plugins come to.
 * @throws AdmissionPluginError for names that are unknown, or cannot be switched here, and for those in both lists
 */
export function enabledPlugins(
  { enable = [], disable = [] }: { readonly enable?: readonly string[]; readonly disable?: readonly string[] },
): IsEnabled {
  const both = enable.filter((name) => disable.includes(name));
  if (both.length > 0) {
    throw new AdmissionPluginError(
      `[${both.join(" ")}] in enable-admission-plugins and disable-admission-plugins overlapped`,
    );
  }
  for (const [flag, names] of [["enable", enable], ["disable", disable]] as const) {
    const unknown = names.find((name) => !isPlugin(name));
    if (unknown !== undefined) {
      throw new AdmissionPluginError(`${flag}-admission-plugins plugin "${unknown}" is unknown`);
    }
  }
  const on = new Set<string>(Object.entries(switchable).filter(([, byDefault]) => byDefault).map(([name]) => name));
  for (const name of enable) on.add(name);
  for (const name of disable) on.delete(name);
  return (plugin) => on.has(plugin);
}
