import assert from "node:assert/strict";
import { withKubectl } from "./kubectl.ts";

Deno.test("kubectl auth can-i, can-i --list, whoami and --as say what RBAC grants", () =>
  withKubectl(async (kubectl) => {
    const out = async (...args: string[]) => (await kubectl(...args)).stdout.trim();
    assert.match(
      await out("auth", "whoami"),
      /Username +kubernetes-admin\nGroups +\[system:masters system:authenticated\]/,
    );
    assert.equal(await out("auth", "can-i", "delete", "nodes"), "yes");
    const no = await kubectl("auth", "can-i", "list", "pods", "--as=jane");
    assert.deepEqual([no.code, no.stdout.trim()], [1, "no"]);
    await out("create", "role", "reader", "--verb=get,list", "--resource=pods");
    await out("create", "rolebinding", "jane", "--role=reader", "--user=jane");
    assert.equal(await out("auth", "can-i", "list", "pods", "--as=jane"), "yes");
    assert.equal(await out("auth", "can-i", "list", "pods", "--as=jane", "-n", "kube-system"), "no");
    assert.equal(await out("auth", "can-i", "get", "pods", "--subresource=log", "--as=jane"), "no");
    assert.equal(await out("auth", "can-i", "get", "/apis", "--as=jane"), "yes");
    assert.match(await out("auth", "can-i", "--list", "--as=jane"), /\npods +\[\] +\[\] +\[get list\]/);
    assert.match(
      await out("auth", "whoami", "--as=bob", "--as-group=dev", "-o", "json"),
      /"dev",\s+"system:authenticated"/,
    );
    const denied = await kubectl("get", "secrets", "--as=jane");
    assert.equal(
      denied.stderr.trim(),
      'Error from server (Forbidden): secrets is forbidden: User "jane" cannot list resource "secrets" in API group "" ' +
        'in the namespace "default"',
    );
  }));
