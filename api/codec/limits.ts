/** Bounds on what a body may make the codecs do. Body size itself is bounded by whoever reads the body. */
export const codecLimits = {
  /** Nesting of objects and lists. Upstream's own schemas reach about 20; JSON Schema in CRDs some dozens. */
  depthMax: 512,
  /** As upstream's decoder: further strict errors are not reported. */
  strictErrorsMax: 100,
  /** Aliases a YAML document may expand to. */
  yamlAliasesMax: 100,
} as const;
