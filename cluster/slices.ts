import { CliError, exitCode } from "./errors.ts";
import { homeDirectory, readTextIfPresent, withLock, writeTextAtomic } from "./home.ts";

/**
 * Which cluster owns which 127.x.0.0/16. Kept beside the clusters under a lock, so that two `up`s at once, and two
 * clusters side by side, never share an address.
 */
type Register = Record<string, number>;

/** 127.0 is everyone's; low numbers are popular by hand (127.1.1.1); systemd-resolved sits at 127.0.0.53. */
const firstSlice = 64;
const lastSlice = 250;

function registerPath(): string {
  return `${homeDirectory()}/slices.json`;
}

async function readRegister(): Promise<Register> {
  const text = await readTextIfPresent(registerPath());
  if (text === null) return {};
  const register: Register = Object.create(null);
  const value: unknown = JSON.parse(text);
  if (typeof value === "object" && value !== null) {
    for (const [name, slice] of Object.entries(value)) if (Number.isSafeInteger(slice)) register[name] = slice;
  }
  return register;
}

/** Claims a free slice for `name`; gives the same one again when `name` already has one. */
export function claimSlice(name: string): Promise<number> {
  return withLock(`${homeDirectory()}/slices.lock`, async () => {
    const register = await readRegister();
    const owned = register[name];
    if (owned !== undefined) return owned;
    const taken = new Set(Object.values(register));
    for (let slice = firstSlice; slice <= lastSlice; slice++) {
      if (taken.has(slice) || !isUnused(slice)) continue;
      register[name] = slice;
      await writeTextAtomic(registerPath(), JSON.stringify(register, null, 2) + "\n");
      return slice;
    }
    throw new CliError(exitCode.failed, "Every address range from 127.64 to 127.250 is claimed", {
      hint: "deno task cluster list shows the clusters; deno task cluster down --name NAME frees one",
    });
  });
}

/** Idempotent. Removes the register with its last entry. */
export async function releaseSlice(name: string): Promise<void> {
  if (await readTextIfPresent(registerPath()) === null) return;
  await withLock(`${homeDirectory()}/slices.lock`, async () => {
    const register = await readRegister();
    delete register[name];
    if (Object.keys(register).length > 0) {
      await writeTextAtomic(registerPath(), JSON.stringify(register, null, 2) + "\n");
    } else {
      // The lock file stays: removing it would let two processes lock two different files of one name.
      await Deno.remove(registerPath()).catch(() => {});
    }
  });
}

/** Nothing listens where the first apiserver would: another home directory's cluster may own the slice. */
function isUnused(slice: number): boolean {
  try {
    Deno.listen({ hostname: `127.${slice}.0.10`, port: 6443 }).close();
    return true;
  } catch {
    return false;
  }
}

/** A port on 127.0.0.1 that is free now; or `wanted`, or the reason why not. */
export function pickPort(wanted: number | undefined): number {
  try {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: wanted ?? 0 });
    const port = (listener.addr as Deno.NetAddr).port; // a TCP listener's address is a NetAddr
    listener.close();
    return port;
  } catch (cause) {
    const reason = cause instanceof Deno.errors.AddrInUse
      ? "it is in use"
      : cause instanceof Error
      ? cause.message
      : "unknown";
    throw new CliError(exitCode.failed, `Cannot listen on 127.0.0.1:${wanted}: ${reason}`, {
      hint: "choose another with --port, or leave it out to take a free one",
      cause,
    });
  }
}
