import { representative } from "../api/custom_resources.ts";
import type { CustomResourceDefinition } from "../api/gen/types.ts";
import type { KubeObject } from "../api/meta.ts";
import type { ResourceInfo } from "../api/resources.ts";
import type { Informer } from "../client/mod.ts";
import type { Watched } from "./informers.ts";

export interface CustomInformers {
  /** What is watched now. */
  watched(): readonly Watched[];
  /** Calls `listener` for each informer, when it begins. */
  onWatched(listener: (watched: Watched) => void): void;
  stop(): void;
}

/** An informer for each established definition's objects, as long as it is defined. */
export function followDefinitions(
  definitions: Informer<CustomResourceDefinition>,
  inform: (info: ResourceInfo) => Informer<KubeObject>,
): CustomInformers {
  const watched = new Map<string, Watched>();
  const listeners: ((watched: Watched) => void)[] = [];
  let stopped = false;

  function follow(definition: Readonly<CustomResourceDefinition>): void {
    const name = definition.metadata?.name ?? "";
    const info = stopped ? null : representative(definition as CustomResourceDefinition);
    const known = watched.get(name);
    if (known?.info.type === info?.type) return;
    forget(definition);
    if (info === null) return;
    const added = { info, informer: inform(info) };
    watched.set(name, added);
    for (const listener of listeners) listener(added);
    added.informer.start();
  }

  function forget({ metadata }: Readonly<CustomResourceDefinition>): void {
    const name = metadata?.name ?? "";
    watched.get(name)?.informer.stop();
    watched.delete(name);
  }

  definitions.subscribe({ added: follow, updated: (_, definition) => follow(definition), deleted: forget });
  return {
    watched: () => [...watched.values()],
    onWatched(listener) {
      listeners.push(listener);
      for (const each of watched.values()) listener(each);
    },
    stop() {
      stopped = true;
      for (const { informer } of watched.values()) informer.stop();
      watched.clear();
    },
  };
}
