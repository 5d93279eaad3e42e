/** Where CPU profiles go; unset: none are taken, and nothing of this is loaded. Set by `bench --profile`. */
export const profileDirectory: string | undefined = Deno.env.get("SAUROPOD_PROFILE");

const samplingMicroseconds = 1_000;

/**
 * Takes a V8 CPU profile of this process between one SIGUSR2 and the next, and writes `DIRECTORY/NAME.cpuprofile`
 * (Chrome's and VS Code's format). `deno run --cpu-prof` would write one too, but of the process's whole life.
 */
export async function profileOnSignal(directory: string, name: string): Promise<void> {
  const { Session } = await import("node:inspector");
  const session = new Session();
  session.connect();
  const post = (method: string, parameters: Record<string, unknown> = {}) =>
    new Promise<unknown>((resolve, reject) =>
      session.post(
        method,
        parameters,
        (error: Error | null, result?: object) => error === null ? resolve(result) : reject(error),
      )
    );
  await post("Profiler.enable");
  await post("Profiler.setSamplingInterval", { interval: samplingMicroseconds });
  let running = false;
  Deno.addSignalListener("SIGUSR2", async () => {
    running = !running;
    if (running) return void await post("Profiler.start");
    const result = await post("Profiler.stop") as { readonly profile: unknown };
    await Deno.writeTextFile(`${directory}/${name}.cpuprofile`, JSON.stringify(result.profile));
  });
}
