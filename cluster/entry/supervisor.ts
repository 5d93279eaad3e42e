import { createDenoPlatform } from "../../platform/deno/mod.ts";
import { layout, writeTextAtomic } from "../home.ts";
import { type ComponentPlan, planOf } from "../plan.ts";
import { identify } from "../processes.ts";
import { parseSpec } from "../spec.ts";
import { storeEngineFlags } from "../store_environment.ts";
import { startSupervisor } from "../supervisor.ts";

// argv: the data directory. Started detached by `cluster up` and `cluster start`; ends by a `shutdown` request.
const dataDirectory = Deno.args[0] ?? "";
Deno.chdir(dataDirectory);
const readSpec = () => parseSpec(Deno.readTextFileSync(layout.spec), layout.spec);
const spec = readSpec();
const platform = createDenoPlatform({ component: "supervisor" });
await writeTextAtomic(layout.supervisorPid, JSON.stringify(identify(Deno.pid)) + "\n");

const root = new URL("../../", import.meta.url);
const entryOf = (plan: ComponentPlan) => new URL(`cluster/entry/${plan.kind.replaceAll("-", "_")}.ts`, root).pathname;
const supervisor = startSupervisor({
  dataDirectory: Deno.cwd(),
  plans: () => planOf(readSpec()),
  onMemberRemoved: ({ name }) => {
    // Loaded when first needed: members come and go seldom.
    void import("../members.ts")
      .then(({ changeStoreMembers, without }) => changeStoreMembers(Deno.cwd(), without(name)))
      .then(() => supervisor.reload())
      .catch((error) => platform.log.error("cannot forget a member", { name, error: String(error) }));
  },
  onEnded: ({ kind, name }) => {
    // Loaded when first needed: most supervisors never see a leader die.
    if (kind !== "scheduler" && kind !== "controller-manager") return;
    void import("../lease_release.ts").then(({ releaseLeaseOf }) => releaseLeaseOf({ kind, name }, spec, platform));
  },
  command: (plan) => ({
    program: Deno.execPath(),
    args: [
      "run",
      "--allow-all",
      "--no-prompt",
      "--no-check",
      "--quiet",
      "--unstable-net", // SO_REUSEPORT for the service proxies
      `--config=${new URL("deno.json", root).pathname}`,
      ...(plan.kind === "store" ? [storeEngineFlags] : []),
      entryOf(plan),
      plan.name,
    ],
  }),
}, platform);

let ending = false;
const end = () => {
  if (ending) return;
  ending = true;
  supervisor.stop();
};
Deno.addSignalListener("SIGTERM", end);
Deno.addSignalListener("SIGINT", end);
await supervisor.ready;
await supervisor.stopped;
Deno.exit(0);
