/** `sauropod.dev/pause`: does nothing until it is told to end. */
function end(): void {
  Deno.exit(0);
}

Deno.addSignalListener("SIGTERM", end);
Deno.addSignalListener("SIGINT", end);
setInterval(() => {}, 2_147_483_647);
