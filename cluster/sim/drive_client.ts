import type { KubeObject } from "../../api/meta.ts";
import type { ResourceInfo } from "../../api/resources.ts";
import type { RestClient, WatchChange, WatchOptions } from "../../client/mod.ts";
import type { Driver } from "./driver.ts";

/** `client`, with every call turning the world until it is answered. */
export function driveClient(client: RestClient, driver: Driver, limitMs: number): RestClient {
  function drive<T>(what: string, begin: () => Promise<T>): Promise<T> {
    return driver.drive(begin, limitMs, what);
  }

  async function* watch<T extends KubeObject>(
    info: ResourceInfo,
    options: WatchOptions,
  ): AsyncGenerator<WatchChange<T>> {
    const changes = client.watch<T>(info, options)[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await drive(`watch ${info.resource}`, () => changes.next());
        if (next.done) return;
        yield next.value;
      }
    } finally {
      await drive(`end the watch of ${info.resource}`, async () => void await changes.return?.());
    }
  }

  return {
    get: (info, ...rest) => drive(`get ${info.resource}`, () => client.get(info, ...rest)),
    list: (info, ...rest) => drive(`list ${info.resource}`, () => client.list(info, ...rest)),
    create: (info, ...rest) => drive(`create ${info.resource}`, () => client.create(info, ...rest)),
    update: (info, ...rest) => drive(`update ${info.resource}`, () => client.update(info, ...rest)),
    patch: (info, ...rest) => drive(`patch ${info.resource}`, () => client.patch(info, ...rest)),
    delete: (info, ...rest) => drive(`delete ${info.resource}`, () => client.delete(info, ...rest)),
    deleteCollection: (info, ...rest) =>
      drive(`delete all ${info.resource}`, () => client.deleteCollection(info, ...rest)),
    bind: (...rest) => drive("bind", () => client.bind(...rest)),
    createSubresource: (info, target, body) =>
      drive(`create ${info.resource}/${target.subresource}`, () => client.createSubresource(info, target, body)),
    watch,
    raw: (path) => drive(path, () => client.raw(path)),
  };
}
