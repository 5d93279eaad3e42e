import { crc32c } from "../../base/crc32c.ts";
import { maxDatagramBytes } from "../limits.ts";
import { type DatagramAddress, type Datagrams, NetworkError } from "../mod.ts";
import type { Life } from "./life.ts";
import type { Links } from "./links.ts";
import type { Scheduler } from "./scheduler.ts";

interface Bound {
  readonly life: Life;
  readonly receive: (datagram: Uint8Array, from: DatagramAddress) => void;
}

/** Every UDP socket of the world by `host:port`. As with listeners, an address is one place in the whole world. */
export interface SimDatagramSockets {
  readonly bound: Map<string, Bound>;
  nextPort: number;
}

export interface SimDatagramWorld {
  readonly sockets: SimDatagramSockets;
  readonly links: Links;
  readonly scheduler: Scheduler;
}

function keyOf({ host, port }: DatagramAddress): string {
  return `${host}:${port}`;
}

/**
 * A datagram is on its way for the link's delay, jitter included, so that two of them may change places; it is lost by
 * the link's loss rate, and when at its arrival a partition, a dead machine or an unbound port is in the way.
 */
export function createSimDatagrams(life: Life, world: SimDatagramWorld): Datagrams {
  const { sockets, links, scheduler } = world;

  function deliver(datagram: Uint8Array, from: DatagramAddress, to: string): void {
    const target = sockets.bound.get(to);
    if (target === undefined || !target.life.alive) return;
    if (links.blocked(life.machine.name, target.life.machine.name)) return;
    target.life.schedule(0, "datagram received", () => {
      if (sockets.bound.get(to) === target) target.receive(datagram, from);
    });
  }

  return {
    async bind(address, receive) {
      const at = { host: address.host, port: address.port === 0 ? sockets.nextPort++ : address.port };
      const key = keyOf(at);
      if (sockets.bound.get(key)?.life.alive === true) {
        throw new NetworkError(`Cannot bind UDP ${key}: address in use`, { addressInUse: true });
      }
      const bound: Bound = { life, receive };
      sockets.bound.set(key, bound);
      function unbind(): void {
        if (sockets.bound.get(key) === bound) sockets.bound.delete(key);
      }
      life.onEnd(unbind);
      return {
        address: at,
        send(datagram, to) {
          if (sockets.bound.get(key) !== bound || datagram.length > maxDatagramBytes) return;
          const target = sockets.bound.get(keyOf(to));
          if (target === undefined) return;
          const [mine, theirs] = [life.machine.name, target.life.machine.name];
          const delayMs = links.datagramDelay(mine, theirs);
          if (delayMs === null) return;
          const copy = datagram.slice();
          scheduler.trace.addNumber(crc32c(copy));
          const clogMs = links.cloggedUntil(mine, theirs) - scheduler.nowMs;
          scheduler.schedule(Math.max(delayMs, clogMs), "datagram", () => deliver(copy, at, keyOf(to)), copy.length);
        },
        async close() {
          unbind();
        },
      };
    },
  };
}
