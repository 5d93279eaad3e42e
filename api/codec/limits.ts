/** Bounds on what a body may make the codecs do. Body size itself is bounded by whoever reads the body. */
export const codecLimits = {
  /** Nesting of objects and lists. Upstream's own schemas reach about 20; JSON Schema in CRDs some dozens. */
  depthMax: 512,
  /** As upstream's decoder: further strict errors are not reported. */
  strictErrorsMax: 100,
  /** YAML text beyond this is refused: its parser takes about 4 s for a megabyte. JSON has no such bound here. */
  yamlBytesMax: 256 * 1024,
  /** Aliases a YAML document may expand to. */
  yamlAliasesMax: 100,
} as const;
