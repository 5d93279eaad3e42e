/** The version of Kubernetes that every component speaks. */
export const kubernetesVersion = "v1.36.0";

const [major = "", minor = ""] = kubernetesVersion.slice(1).split(".");

/** The labels of kubernetes_build_info that are true here: nothing is built, and there is no Go. */
export const buildLabels = { git_version: kubernetesVersion, major, minor } as const;
