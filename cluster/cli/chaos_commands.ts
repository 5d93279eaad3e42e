import { Argument, type Command, Option } from "commander";
import { type Scenario, scenarios } from "../chaos/faults.ts";
import { repeatMax } from "../chaos/limits.ts";
import { exitCode, SilentExit } from "../errors.ts";
import { toolPlatform } from "../lifecycle.ts";
import { requireSpec, storeBugs } from "../spec.ts";
import { atMost, duration, nameOption, outputOption, rate, share, wholeNumber } from "./arguments.ts";
import { chaosKill, chaosPause, chaosResume } from "./chaos.ts";
import { chaosDiskFull, chaosHeal, chaosLinks } from "./chaos_faults.ts";

/** `cluster chaos ...`: kill, pause, partition, run. */
export function chaosCommands(root: Command): void {
  const chaos = root.command("chaos").description("break something on purpose");
  chaos.command("kill").description("SIGKILL one component; the supervisor restarts it")
    .addOption(nameOption()).argument("<component>", "a name (store-1) or a kind (store)")
    .option("--leader", "the one that leads", false)
    .addHelpText("after", "\nExample:\n  deno task cluster chaos kill store --leader")
    .action(async (target: string, options) =>
      chaosKill(await requireSpec(options.name), { target, leader: options.leader }, toolPlatform())
    );
  chaos.command("pause").description("SIGSTOP one component: its connections stay open and say nothing")
    .addOption(nameOption()).argument("<component>", "a name (store-1) or a kind (store)")
    .option("--leader", "the one that leads", false)
    .action(async (target: string, options) =>
      chaosPause(await requireSpec(options.name), { target, leader: options.leader }, toolPlatform())
    );
  chaos.command("resume").description("SIGCONT one component, or every one that is paused")
    .addOption(nameOption()).argument("[component]", "a name (store-1) or a kind (store); default: all")
    .action(async (target: string | undefined, options) =>
      chaosResume(await requireSpec(options.name), target ?? null, toolPlatform())
    );
  const links = (verb: string, what: string) =>
    chaos.command(verb).description(what).addOption(nameOption())
      .argument("<side...>", "A B, 'A|B', or A alone against all others; each names, kinds or leader, by commas")
      .option("--one-way", "only what the first side sends to the second", false);
  links("partition", "cut the links between components: nothing arrives, nothing is refused")
    .addHelpText(
      "after",
      "\nExamples:\n  deno task cluster chaos partition leader store\n  deno task cluster chaos partition 'store-0|store-1,store-2'\n  deno task cluster chaos partition apiserver-0 store --one-way",
    )
    .action(async (groups: string[], { name, oneWay }) =>
      chaosLinks(await requireSpec(name), { groups, oneWay, condition: { cut: true } }, toolPlatform())
    );
  links("delay", "slow the links between components")
    .requiredOption("--by <duration>", "each way, e.g. 75ms", duration)
    .addOption(new Option("--jitter <duration>", "up to this much more").default(0, "none").argParser(duration))
    .action(async (groups: string[], { name, oneWay, by, jitter }) =>
      chaosLinks(
        await requireSpec(name),
        { groups, oneWay, condition: { delayMs: by, jitterMs: jitter } },
        toolPlatform(),
      )
    );
  links("drop", "lose a share of what is sent; a stream resends each after 200 ms")
    .requiredOption("--share <share>", "e.g. 50%", share)
    .action(async (groups: string[], { name, oneWay, share }) =>
      chaosLinks(await requireSpec(name), { groups, oneWay, condition: { lossRate: share } }, toolPlatform())
    );
  chaos.command("disk-full").description("let a component find no space on its disk").addOption(nameOption())
    .argument("<component>", "names, kinds or leader, by commas")
    .action(async (target: string, options) => chaosDiskFull(await requireSpec(options.name), target, toolPlatform()));
  chaos.command("heal").description("end every fault of links and disks").addOption(nameOption())
    .action(async (options) => chaosHeal(await requireSpec(options.name), toolPlatform()));
  chaos.command("run").description("break a cluster under load, again and again, and judge what its clients saw")
    .addArgument(new Argument("<scenario>", "what to break").choices([...scenarios, "nemesis"]))
    .addOption(
      new Option("--name <name>", "which cluster; a temporary one is made when there is none").default("default"),
    )
    .addOption(new Option("--repeat <n>", "how often").default(5).argParser(atMost(repeatMax)))
    .addOption(new Option("--load <rate>", "operations a second, e.g. 200rps").default(100, "100rps").argParser(rate))
    .addOption(
      new Option("--seed <n>", "of keys, actions and pauses (default: random, printed)").argParser(wholeNumber),
    )
    .addOption(new Option("--timers <profile>", "of a temporary cluster").choices(["fast", "upstream"]).default("fast"))
    .addOption(
      new Option("--on <what>", "through the API, or the store's own protocol (three store processes alone)")
        .choices(["api", "store"]),
    )
    .addOption(new Option("--bug <bug>", "test-only: a store without one safety rule").choices(storeBugs))
    .addOption(new Option("--against <whom>", "the same experiment on three processes of it").choices(["etcd"]))
    .addOption(new Option("--for <duration>", "of nemesis").default(60_000, "60s").argParser(duration))
    .addOption(new Option("--json <file.json>", "also write the report as JSON"))
    .addOption(new Option("--report <file.html>", "also write a report with plots, one file, no network"))
    .addOption(outputOption())
    .addHelpText(
      "after",
      "\nExample:\n  deno task cluster chaos run leader-kill --repeat 20 --load 200rps --report failover.html\nExit code 4: an acknowledged write was lost, a watch skipped, repeated or disordered an event, or no order explains the history.",
    )
    .action(async (scenario: Scenario | "nemesis", options) => {
      // Loaded here: every other verb starts without the experiment's code.
      if (scenario === "nemesis") {
        const { chaosNemesis } = await import("./chaos_nemesis.ts");
        const code = await chaosNemesis({
          name: options.name,
          forMs: options.for,
          rate: options.load,
          seed: options.seed,
          timers: options.timers,
          bug: options.bug,
          output: options.output,
          json: options.json,
        });
        if (code !== exitCode.ok) throw new SilentExit(code);
        return;
      }
      const { chaosRun } = await import("./chaos_run.ts");
      const code = await chaosRun({
        scenario,
        name: options.name,
        repeat: options.repeat,
        rate: options.load,
        seed: options.seed,
        timers: options.timers,
        on: options.on ??
          (options.bug === undefined && options.against === undefined && scenario !== "power-loss" ? "api" : "store"),
        against: options.against,
        json: options.json,
        bug: options.bug,
        output: options.output,
        report: options.report,
      });
      if (code !== exitCode.ok) throw new SilentExit(code);
    });
}
