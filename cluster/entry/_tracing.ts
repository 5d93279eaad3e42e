import type { Component, Platform } from "../../platform/mod.ts";
import { createTracer, openTraceFile, type Tracer } from "../../platform/tracing/mod.ts";
import { layout } from "../home.ts";

export interface ComponentTracer {
  readonly tracer: Tracer;
  /** The same component, which writes its last spans when it has stopped. */
  readonly closing: (component: Component) => Component;
}

/**
 * Where a component's spans go: `logs/traces-COMPONENT.jsonl`, which is not there before the first one. Nothing is sent
 * anywhere: whoever has a collector lets it read the files.
 */
export function openTracer(component: string, platform: Platform): ComponentTracer {
  const { clock, random } = platform;
  const sink = openTraceFile(`${layout.logs}/traces-${component}.jsonl`, component, platform);
  return {
    tracer: createTracer({ clock, random, sink }),
    closing: (it) => ({ ready: it.ready, stop: () => it.stop().finally(() => sink.close()) }),
  };
}
