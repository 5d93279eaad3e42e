import { clone } from "../../../api/json_value.ts";
import type { KubeObject } from "../../../api/meta.ts";
import { apiVersionOf, type ResourceInfo } from "../../../api/resources.ts";
import type { Registry } from "../../registry/context.ts";
import type { Strategy } from "../../registry/strategy.ts";
import { replaceWith } from "./call.ts";
import type { Admission } from "./match.ts";

/** The other versions under which a resource's objects are served. */
export function equivalentsOf(registry: Registry, info: ResourceInfo): readonly ResourceInfo[] {
  // Few resources have several versions: autoscalers, and what definitions bring.
  if (registry.strategy(info).convertTo === undefined) return [];
  return registry.catalog.resources.filter((each) =>
    each !== info && each.group === info.group && each.resource === info.resource
  );
}

/** A write with its objects in the version that a webhook asked for. */
export async function shownAs(registry: Registry, it: Admission, info: ResourceInfo): Promise<Admission> {
  const convert = async (object: KubeObject | null) =>
    object === null ? null : await converted(registry.strategy(it.info), object, info);
  return { ...it, info, requested: it.info, object: await convert(it.object), old: await convert(it.old) };
}

/** What a webhook made of the object that it was shown, as the object that is to be stored. */
export async function takeBack(registry: Registry, strategy: Strategy, it: Admission, shown: Admission): Promise<void> {
  if (it.object === null || shown.object === null) return;
  const back = await converted(registry.strategy(shown.info), shown.object, it.info);
  const { object } = strategy.codec.decodeValue(back, "Ignore");
  replaceWith(it.object, object);
  strategy.setDefaults(it.object);
}

async function converted(strategy: Strategy, object: KubeObject, to: ResourceInfo): Promise<KubeObject> {
  return await strategy.convertTo?.(clone(object), apiVersionOf(to)) ?? object;
}
