import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { TestHome } from "./harness.ts";

/** Answers each datagram with the pod's address and the text. Run by the Deno that runs this test. */
const udpEcho = `import { createSocket } from "node:dgram";
const socket = createSocket("udp4");
socket.on("message", (text, from) => socket.send(Deno.env.get("POD_IP") + " " + text, from.port, from.address));
socket.bind(5353, Deno.env.get("POD_IP"), () => Deno.writeTextFileSync("bound", ""));`;
const udpService = {
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "udp" },
  spec: { selector: { app: "udp" }, ports: [{ port: 5353, protocol: "UDP" }] },
};
const udpDeployment = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "udp" },
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: "udp" } },
    template: {
      metadata: { labels: { app: "udp" } },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [{
          name: "udp",
          image: "sauropod.dev/host:1",
          command: [Deno.execPath(), "eval", "--no-config", udpEcho],
          readinessProbe: { exec: { command: ["test", "-e", "bound"] }, periodSeconds: 1 },
        }],
      },
    },
  },
};
const udpManifest = [udpService, udpDeployment].map((each) => JSON.stringify(each)).join("\n");

/** Asks the service once from a socket of its own. "" when no answer comes in time. */
async function askUdp(host: string, text: string): Promise<string> {
  const socket = createSocket("udp4");
  try {
    return await new Promise<string>((resolve) => {
      const timer = setTimeout(() => resolve(""), 1000);
      socket.on("message", (answer) => {
        clearTimeout(timer);
        resolve(new TextDecoder().decode(answer));
      });
      socket.bind(0, "127.0.0.1", () => socket.send(text, 5353, host));
    });
  } finally {
    await new Promise<void>((resolve) => socket.close(() => resolve()));
  }
}

Deno.test("datagrams reach every pod behind a UDP port, also after every proxy was killed", async () => {
  await using test = await TestHome.make();
  const up = await test.cluster(["up", "--wait", "90s"], { timeoutMs: 120_000 });
  assert.equal(up.code, 0, up.stderr);
  await test.apply(udpManifest);
  await test.ok("rollout", "status", "deploy/udp", "--timeout=30s");
  const host = (await test.ok("get", "service", "udp", "-o", "jsonpath={.spec.clusterIP}")).trim();

  async function everyPodAnswers(): Promise<void> {
    const seen = new Set<string>();
    await test.until("both pods answer", async () => {
      const [pod = "", text] = (await askUdp(host, "hello")).split(" ");
      if (text === "hello") seen.add(pod);
      return seen.size === 2;
    }, 20_000);
  }

  await everyPodAnswers();
  const proxies = (await test.status()).components.filter(({ kind }) => kind === "proxy");
  assert.equal(proxies.length, 3);
  for (const { name, pid } of proxies) {
    assert.ok(pid !== null, `${name} runs`);
    Deno.kill(pid, "SIGKILL");
    const start = performance.now();
    await everyPodAnswers();
    console.log(`${name} killed: both pods have answered ${(performance.now() - start).toFixed(0)} ms later`);
  }
});
