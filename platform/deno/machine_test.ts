import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import { fromUtf8, utf8 } from "../../base/bytes.ts";
import { prng } from "../../base/prng.ts";
import { createLog } from "../log.ts";
import { NetworkError, ProcessError } from "../mod.ts";
import { createDisk } from "./disk.ts";
import { createFrames } from "./frames.ts";
import { FramePacker, FrameReader } from "./framing.ts";
import { createProcesses } from "./processes.ts";
import { createStreams } from "./streams.ts";

async function inDirectory(use: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "platform-" });
  try {
    await use(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("FrameReader gives back what FramePacker packed, however the bytes are cut", () => {
  const random = prng(3);
  const packer = new FramePacker(100);
  for (let round = 0; round < 100; round++) {
    const frames = Array.from({ length: random.int(12) }, () => {
      return new Uint8Array(random.int(4) === 0 ? random.int(500) : random.int(12)).map(() => random.int(256));
    });
    const got: Uint8Array[] = [];
    const reader = new FrameReader(1000);
    const writes: Uint8Array[] = [];
    for (let at = 0; at < frames.length;) {
      const { bytes, large, next } = packer.pack(frames, at);
      writes.push(bytes.slice(), ...(large === null ? [] : [large]));
      at = next;
    }
    for (const packed of writes) {
      const reused = new Uint8Array(64);
      for (let at = 0; at < packed.length;) {
        const size = Math.min(1 + random.int(64), packed.length - at);
        reused.set(packed.subarray(at, at + size));
        reader.push(reused.subarray(0, size), (frame) => void got.push(frame));
        at += size;
      }
    }
    deepEqual(got, frames);
    ok(reader.idle);
  }
});

Deno.test("FrameReader refuses a frame over the maximum before it takes memory for it", () => {
  const reader = new FrameReader(1000);
  throws(() => reader.push(new Uint8Array([0xff, 0, 0, 0]), () => {}), NetworkError);
});

Deno.test("Disk maps a full device to noSpace and makes files for their owner alone", async () => {
  await inDirectory(async (directory) => {
    const disk = createDisk();
    if (Deno.build.os === "linux") {
      const full = await disk.open("/dev/full", {});
      await rejects(full.writeAt(0, utf8("x")), { name: "DiskError", kind: "noSpace" });
      full.close();
    }
    await disk.mkdir(`${directory}/d`);
    await disk.writeFileAtomic(`${directory}/d/secret`, utf8("x"));
    (await disk.open(`${directory}/d/file`, { create: true })).close();
    const modes = ["d", "d/secret", "d/file"].map((name) => (Deno.statSync(`${directory}/${name}`).mode ?? 0) & 0o777);
    deepEqual(modes, [0o700, 0o600, 0o600]);
  });
});

Deno.test("Frames.listen makes a unix socket of mode 0600, and takes the place of one that nobody listens on", async () => {
  await inDirectory(async (directory) => {
    const path = `${directory}/socket`;
    const killed = Deno.listen({ transport: "unix", path: `${path}-original` });
    Deno.linkSync(`${path}-original`, path); // closing removes the original name only, as a killed process removes none
    killed.close();
    ok(Deno.lstatSync(path).isSocket);
    const frames = createFrames();
    const listener = await frames.listen(`unix:${path}`, {}, () => {});
    equal((Deno.statSync(path).mode ?? 0) & 0o777, 0o600);
    await listener.close();
    await rejects(Deno.lstat(path), Deno.errors.NotFound);
  });
});

Deno.test("Frames report a peer that ends inside a frame as an error", async () => {
  const frames = createFrames();
  const ended: (Error | undefined)[] = [];
  const listener = await frames.listen("tcp:127.0.0.1:0", {}, (connection) => {
    connection.onClose = (error) => void ended.push(error);
  });
  const port = Number(listener.address.split(":")[2]);
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await conn.write(new Uint8Array([0, 0, 0, 9, 1, 2]));
  conn.close();
  const deadline = performance.now() + 2000;
  while (ended.length === 0 && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 2));
  ok(ended[0] instanceof NetworkError);
  await listener.close();
});

Deno.test("Streams.listen with reusePort shares an address under --unstable-net, and throws instead of ending the process without", async () => {
  const streams = createStreams();
  const first = streams.listen("tcp:127.0.0.1:0", { reusePort: true }, () => {});
  if (typeof Reflect.get(Deno, "listenDatagram") !== "function") return void await rejects(first, NetworkError);
  const { address, close } = await first;
  const second = await streams.listen(address, { reusePort: true }, () => {});
  equal(second.address, address);
  await Promise.all([close(), second.close()]);
});

Deno.test("Processes.spawn gives the child exactly its environment, its directory and its input", async () => {
  await inDirectory(async (directory) => {
    const child = createProcesses().spawn("/bin/sh", {
      args: ["-c", `echo "$A|$HOME|$(pwd)"; cat; echo oops >&2; exit 7`],
      env: { A: "1" },
      cwd: directory,
      stdin: "piped",
    });
    const writer = child.stdin?.getWriter();
    await writer?.write(utf8("from stdin"));
    await writer?.close();
    const [out, err, status] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    equal(out, `1||${await Deno.realPath(directory)}\nfrom stdin`);
    equal(err, "oops\n");
    deepEqual(status, { code: 7, signal: null });
    child.kill("SIGTERM");
  });
});

Deno.test("ChildProcess.kill reaches the grandchildren, and the exit code is 128 + the signal", async () => {
  const options = { args: ["-c", "sleep 60 & echo $!; wait"], env: {}, cwd: "/", stdin: "null" as const };
  const child = createProcesses().spawn("/bin/sh", options);
  const reader = child.stdout.getReader();
  const grandchild = Number(fromUtf8((await reader.read()).value ?? new Uint8Array()).trim());
  ok(grandchild > 1);
  child.kill("SIGKILL");
  deepEqual(await child.exited, { code: 137, signal: "SIGKILL" });
  equal((await reader.read()).done, true); // the grandchild held the other end
  await child.stderr.cancel();
});

Deno.test("Processes.spawn throws ProcessError notFound for a program that is not there", () => {
  const options = { args: [], env: {}, cwd: "/", stdin: "null" as const };
  throws(() => createProcesses().spawn("/no/such/program", options), (error) => {
    return error instanceof ProcessError && error.kind === "notFound";
  });
});

Deno.test("createLog writes one JSON object a line, drops what is below its level, and never throws for a field", () => {
  const lines: string[] = [];
  const log = createLog({ component: "store", level: "info", now: () => 0, sink: (line) => void lines.push(line) });
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  log.debug("dropped");
  log.with({ member: "a" }).warn("two\nlines", { lease: 10n, error: new Error("why") });
  log.info("a cycle", { cycle });
  equal(lines.length, 2);
  const first = JSON.parse(lines[0] ?? "");
  ok(first.error.startsWith("Error: why"));
  const want = { time: "1970-01-01T00:00:00.000Z", level: "warn", component: "store", msg: "two\nlines", member: "a" };
  deepEqual({ ...first, error: undefined }, { ...want, lease: "10", error: undefined });
  equal(JSON.parse(lines[1] ?? "").msg, "a cycle");
});
