/** An image reference, taken apart. */
export interface ImageName {
  /** As given, with `:latest` when it names neither tag nor digest. */
  readonly reference: string;
  /** Without tag and digest: `registry.k8s.io/pause`, `nginx`. */
  readonly repository: string;
  readonly tag: string;
  /** `sha256:...` or "". */
  readonly digest: string;
}

const component = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
const domain =
  "(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*(?::[0-9]+)?/)?";
const pattern = new RegExp(
  `^(${domain}${component}(?:/${component})*)(?::([A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@([a-z0-9]+:[0-9a-fA-F]{32,}))?$`,
);

/** Longer references are refused before the pattern sees them. */
const maxReferenceLength = 512;

/** Null when it is not a reference (distribution's grammar). */
export function parseImage(image: string): ImageName | null {
  if (image.length > maxReferenceLength) return null;
  const match = pattern.exec(image);
  if (match === null) return null;
  const tag = match[2] ?? "";
  const digest = match[3] ?? "";
  const bare = tag === "" && digest === "";
  return {
    reference: bare ? `${image}:latest` : image,
    repository: match[1] ?? "",
    tag: bare ? "latest" : tag,
    digest,
  };
}

export type PullPolicy = "Always" | "IfNotPresent" | "Never";

/** The policy of a container; absent means Always for `:latest`, IfNotPresent otherwise, as the API defaults it. */
export function pullPolicyOf(image: ImageName, policy: string | undefined): PullPolicy {
  if (policy === "Always" || policy === "IfNotPresent" || policy === "Never") return policy;
  return image.tag === "latest" && image.digest === "" ? "Always" : "IfNotPresent";
}

export function shouldPull(policy: PullPolicy, present: boolean): boolean {
  return policy === "Always" || (policy === "IfNotPresent" && !present);
}
