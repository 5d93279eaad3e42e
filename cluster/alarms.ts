import type { Store } from "../store/mod.ts";

/**
 * Ends the NoSpace alarms that are on, as `etcdctl alarm disarm` does: etcd leaves that to whoever made room.
 * @return the members whose alarm it was
 */
export async function disarmNoSpace(store: Store): Promise<string[]> {
  const ended: string[] = [];
  for (const { memberId, kind } of await store.alarm({ action: "list" })) {
    if (kind !== "NoSpace") continue;
    await store.alarm({ action: "disarm", memberId, kind });
    ended.push(memberId);
  }
  return ended;
}
