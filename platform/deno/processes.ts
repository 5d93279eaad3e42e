import { ProcessError, type Processes } from "../mod.ts";

function processError(error: unknown, program: string): ProcessError {
  const message = `Cannot start ${program}: ${error instanceof Error ? error.message : String(error)}`;
  if (error instanceof Deno.errors.NotFound) return new ProcessError("notFound", message, { cause: error });
  if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable) {
    return new ProcessError("permission", message, { cause: error });
  }
  return new ProcessError("other", message, { cause: error });
}

function start(program: string, options: Deno.CommandOptions): Deno.ChildProcess {
  try {
    return new Deno.Command(program, options).spawn();
  } catch (error) {
    throw processError(error, program);
  }
}

/** Child processes, each the leader of a process group of its own, so that `kill` reaches what they started. */
export function createProcesses(): Processes {
  return {
    spawn(program, options) {
      const child = start(program, {
        args: [...options.args],
        env: { ...options.env },
        clearEnv: true,
        cwd: options.cwd,
        stdin: options.stdin,
        stdout: "piped",
        stderr: "piped",
        detached: true,
      });
      return {
        pid: child.pid,
        stdin: options.stdin === "piped" ? child.stdin : null,
        stdout: child.stdout,
        stderr: child.stderr,
        exited: child.status.then((status) => ({ code: status.code, signal: status.signal })),
        kill(signal) {
          try {
            Deno.kill(-child.pid, signal);
          } catch (error) {
            // ESRCH: the whole group has gone. Deno reports it as NotFound, or as a TypeError in some versions.
            const gone = error instanceof Deno.errors.NotFound ||
              (error instanceof Error && /ESRCH|No such process/i.test(error.message));
            if (!gone) throw new ProcessError("other", `Cannot signal group ${child.pid}`, { cause: error });
          }
        },
      };
    },
  };
}
