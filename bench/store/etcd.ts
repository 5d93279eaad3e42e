import { concatBytes } from "../../base/bytes.ts";
import { Http2Client } from "./http2_client.ts";
import { type Client, eventually, memberCount, MemberProcess, type Running, type Target } from "./target.ts";

/** Field numbers of etcd's rpc.proto, as far as a benchmark needs them. */
const paths = {
  put: "/etcdserverpb.KV/Put",
  range: "/etcdserverpb.KV/Range",
  watch: "/etcdserverpb.Watch/Watch",
  status: "/etcdserverpb.Maintenance/Status",
} as const;

/** Null where there is no etcd on this machine. */
export async function etcdVersion(): Promise<string | null> {
  try {
    const { code, stdout } = await new Deno.Command("etcd", { args: ["--version"], stderr: "null" }).output();
    return code === 0 ? /etcd Version: (\S+)/.exec(new TextDecoder().decode(stdout))?.[1] ?? "unknown" : null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** Three members of Debian's etcd-server on loopback. */
export function etcd(name: string, version: string, flags: readonly string[]): Target {
  const told = flags.length === 0 ? "default flags" : flags.join(" ");
  return {
    name,
    about: `etcd ${version}, ${told}; loopback TCP, gRPC without TLS by a bare client; fsync on`,
    start(directory) {
      const ports = freePorts(2 * memberCount);
      const members = Array.from({ length: memberCount }, (_, i) => ({
        id: `etcd-${i}`,
        port: ports[2 * i] ?? 0,
        peerPort: ports[2 * i + 1] ?? 0,
      }));
      const initial = members.map(({ id, peerPort }) => `${id}=http://127.0.0.1:${peerPort}`).join(",");
      const processes = members.map(({ id, port, peerPort }) =>
        new MemberProcess(() =>
          new Deno.Command("etcd", {
            args: [
              `--name=${id}`,
              `--data-dir=${directory}/${id}`,
              `--listen-client-urls=http://127.0.0.1:${port}`,
              `--advertise-client-urls=http://127.0.0.1:${port}`,
              `--listen-peer-urls=http://127.0.0.1:${peerPort}`,
              `--initial-advertise-peer-urls=http://127.0.0.1:${peerPort}`,
              `--initial-cluster=${initial}`,
              "--initial-cluster-state=new",
              "--logger=zap",
              "--log-level=panic",
              ...flags,
            ],
            stdin: "null",
            stdout: "null",
            stderr: "null",
          }).spawn()
        )
      );
      const running: Running = {
        get pids() {
          return processes.map((each) => each.pid);
        },
        open: (first) => openClient(members.map(({ port }) => port), first),
        leader: () =>
          eventually("a leader", async () => {
            for (const [i, { port }] of members.entries()) {
              const status = await statusOf(port).catch(() => null);
              if (status !== null && status.leader !== 0n && status.leader === status.member) return i;
            }
            throw new Error("no leader");
          }),
        async restart(member) {
          await processes[member]?.again();
          await eventually("the member", async () => {
            if ((await statusOf(members[member]?.port ?? 0)).leader === 0n) throw new Error("no leader");
          });
        },
        async stop() {
          await Promise.all(processes.map((each) => each.end()));
        },
      };
      return running;
    },
  };
}

function freePorts(count: number): number[] {
  const listeners = Array.from({ length: count }, () => Deno.listen({ hostname: "127.0.0.1", port: 0 }));
  const ports = listeners.map((listener) => (listener.addr as Deno.NetAddr).port);
  for (const listener of listeners) listener.close();
  return ports;
}

/** Goes to member `first` as long as it is there, then to the others in turn. A call that fails is not made again. */
async function openClient(ports: readonly number[], first: number): Promise<Client> {
  const order = [...ports.slice(first), ...ports.slice(0, first)];
  const links: (Http2Client | null)[] = await Promise.all(
    order.map((port) => Http2Client.connect(port).catch(() => null)),
  );
  let turn = 0;
  const link = (): Http2Client => {
    if (links[0]?.open) return links[0];
    for (let i = 0; i < links.length; i++) {
      const other = links[turn++ % links.length];
      if (other?.open) return other;
    }
    throw new Error("no member is there");
  };
  return {
    async put(key, value) {
      await link().unary(paths.put, concatBytes([bytesField(1, key), bytesField(2, value)]));
    },
    async get(key) {
      const answer = fieldsOf(await link().unary(paths.range, bytesField(1, key)));
      if (!answer.some(({ number }) => number === 2)) throw new Error("The key is not there");
    },
    watch(key, onEvent) {
      return new Promise((resolve) => {
        link().stream(paths.watch, bytesField(1, bytesField(1, key)), (message) => {
          for (const { number } of fieldsOf(message)) {
            if (number === 3) resolve(); // created
            if (number === 11) onEvent();
          }
        });
      });
    },
    close() {
      for (const each of links) each?.close();
    },
  };
}

async function statusOf(port: number): Promise<{ member: bigint; leader: bigint }> {
  const client = await Http2Client.connect(port);
  const deadline = setTimeout(() => client.close(), 1_000);
  try {
    const fields = fieldsOf(await client.unary(paths.status, new Uint8Array()));
    const header = fields.find(({ number }) => number === 1)?.bytes ?? new Uint8Array();
    return {
      member: fieldsOf(header).find(({ number }) => number === 2)?.varint ?? 0n,
      leader: fields.find(({ number }) => number === 4)?.varint ?? 0n,
    };
  } finally {
    clearTimeout(deadline);
    client.close();
  }
}

function varint(value: number): number[] {
  const out: number[] = [];
  for (; value > 0x7f; value >>>= 7) out.push((value & 0x7f) | 0x80);
  return [...out, value];
}

function bytesField(number: number, value: Uint8Array): Uint8Array {
  return concatBytes([new Uint8Array([number << 3 | 2, ...varint(value.length)]), value]);
}

interface Field {
  readonly number: number;
  readonly varint: bigint;
  readonly bytes: Uint8Array;
}

/** Top-level fields of a protobuf message; wire types 0 and 2 are all that these messages hold. */
function fieldsOf(message: Uint8Array): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const read = (): bigint => {
    let value = 0n;
    for (let shift = 0n;; shift += 7n) {
      const byte = message[at++] ?? 0;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const tag = Number(read());
    if ((tag & 7) === 0) {
      fields.push({ number: tag >> 3, varint: read(), bytes: new Uint8Array() });
      continue;
    }
    if ((tag & 7) !== 2) throw new RangeError(`Wire type ${tag & 7}`);
    const length = Number(read());
    fields.push({ number: tag >> 3, varint: 0n, bytes: message.subarray(at, at + length) });
    at += length;
  }
  return fields;
}
