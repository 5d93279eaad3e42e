import { decodeRequest } from "../request_body.ts";
import { invalid as invalidField } from "../../api/field_errors.ts";
import type { KubeObject } from "../../api/meta.ts";
import { nodes, pods, secrets, serviceAccounts } from "../../api/resources.ts";
import { badRequest, conflict, forbidden, invalid, notFound } from "../../api/status.ts";
import { formatTime } from "../../api/time.ts";
import { nodeOfUser } from "../authn/user.ts";
import { dig, record, text, texts } from "../dig.ts";
import type { Exchange } from "../exchange.ts";
import type { Registry } from "../registry/context.ts";
import { respondValue } from "../registry/output.ts";
import { keyOf, readCurrent } from "../registry/write.ts";
import type { ResourceRequest } from "../request_info.ts";
import { agree, fieldValidation, writeContext } from "../resource_handler.ts";

const type = "io.k8s.api.authentication.v1.TokenRequest";
const defaultSeconds = 3600;
const secondsMin = 600;
const secondsMax = 2 ** 32;

interface Bound {
  readonly kind: "Pod" | "Secret" | "Node";
  readonly name: string;
  readonly uid: string;
  /** For a pod: the node it runs on. */
  readonly node?: string;
}

/** POST serviceaccounts/NAME/token: a signed token for the account, perhaps bound to a pod (KEP-1205). */
export async function handleToken(
  registry: Registry,
  exchange: Exchange,
  request: ResourceRequest,
): Promise<Response> {
  const negotiated = agree(exchange, { shapes: false });
  const contentType = exchange.request.headers.get("content-type") ?? "";
  const decoded = decodeRequest<KubeObject>(exchange.body, contentType, type, {
    fieldValidation: fieldValidation(exchange),
  });
  exchange.warnings.push(...decoded.warnings);
  const wanted = decoded.object;
  checkNames(wanted, request);
  const account = await find(registry, serviceAccounts, request.namespace, request.name);
  const uid = account.metadata?.uid ?? "";
  const seconds = secondsOf(wanted);
  const audiences = texts(dig(wanted, "spec", "audiences"));
  const bound = await boundTo(registry, request.namespace, request.name, wanted);
  checkNodeMayAsk(exchange, request.name, wanted, bound);
  const issuedAt = Math.floor(registry.clock.now() / 1000);
  const expiresAt = issuedAt + seconds;
  const pair = bound === undefined ? {} : { name: bound.name, uid: bound.uid };
  const token = writeContext(exchange).dryRun ? "" : await registry.tokens.sign({
    namespace: request.namespace,
    serviceAccount: { name: request.name, uid },
    audiences: audiences.length > 0 ? audiences : [registry.tokens.issuer],
    issuedAt,
    expiresAt,
    id: registry.random.uuid(),
    ...(bound?.kind === "Pod" ? { pod: pair as { name: string; uid: string } } : {}),
    ...(bound?.kind === "Secret" ? { secret: pair as { name: string; uid: string } } : {}),
  });
  return respondValue(201, {
    kind: "TokenRequest",
    apiVersion: "authentication.k8s.io/v1",
    metadata: {
      name: request.name,
      namespace: request.namespace,
      creationTimestamp: formatTime(registry.clock.now()),
    },
    spec: {
      audiences: audiences.length > 0 ? audiences : [registry.tokens.issuer],
      expirationSeconds: seconds,
      boundObjectRef: dig(wanted, "spec", "boundObjectRef") ?? null,
    },
    status: { token, expirationTimestamp: formatTime(expiresAt * 1000) },
  }, negotiated);
}

function checkNames(wanted: KubeObject, request: ResourceRequest): void {
  const { name = "", namespace = "" } = wanted.metadata ?? {};
  if (name !== "" && name !== request.name) {
    throw badRequest(`the name of the object (${name}) does not match the name on the URL (${request.name})`);
  }
  if (namespace !== "" && namespace !== request.namespace) {
    throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
  }
}

function secondsOf(wanted: KubeObject): number {
  const seconds = dig(wanted, "spec", "expirationSeconds") ?? defaultSeconds;
  const refuse = (detail: string) =>
    invalid({ group: "authentication.k8s.io", kind: "TokenRequest" }, "", [
      invalidField("spec.expirationSeconds", seconds, detail),
    ]);
  if (typeof seconds !== "number" || seconds < secondsMin) {
    throw refuse("may not specify a duration less than 10 minutes");
  }
  if (seconds > secondsMax) throw refuse("may not specify a duration larger than 2^32 seconds");
  return seconds;
}

async function boundTo(
  registry: Registry,
  namespace: string,
  account: string,
  wanted: KubeObject,
): Promise<Bound | undefined> {
  const reference = record(dig(wanted, "spec", "boundObjectRef"));
  const name = text(reference["name"]);
  const kind = text(reference["kind"]);
  if (kind === "") return undefined;
  if (kind !== "Pod" && kind !== "Secret") {
    throw badRequest(`cannot bind token for serviceaccount "${account}" to object ${kind}`);
  }
  const info = kind === "Pod" ? pods : secrets;
  const object = await find(registry, info, namespace, name);
  const uid = object.metadata?.uid ?? "";
  const asked = text(reference["uid"]);
  if (asked !== "" && asked !== uid) {
    throw conflict(
      info,
      name,
      `the UID in the bound object reference (${asked}) does not match the UID in record. The object might have been ` +
        "deleted and then recreated",
    );
  }
  if (kind === "Pod" && text(dig(object, "spec", "serviceAccountName")) !== account) {
    const used = text(dig(object, "spec", "serviceAccountName"));
    throw badRequest(
      `cannot bind token for serviceaccount "${account}" to pod running with different serviceaccount name. (${used})`,
    );
  }
  return kind === "Pod" ? { kind, name, uid, node: text(dig(object, "spec", "nodeName")) } : { kind, name, uid };
}

/** A kubelet gets tokens for pods on its own node alone, each bound to its pod by uid (NodeRestriction). */
function checkNodeMayAsk(exchange: Exchange, account: string, wanted: KubeObject, bound: Bound | undefined): void {
  const node = nodeOfUser(exchange.user);
  if (node === null) return;
  const refuse = (why: string) => forbidden(serviceAccounts, account, why);
  if (bound?.kind !== "Pod") throw refuse("node requested token not bound to a pod");
  if (text(dig(wanted, "spec", "boundObjectRef", "uid")) === "") {
    throw refuse("node requested token with a pod binding without a uid");
  }
  if (bound.node !== node) throw refuse("node requested token bound to a pod scheduled on a different node");
}

async function find(registry: Registry, info: typeof nodes, namespace: string, name: string): Promise<KubeObject> {
  const strategy = registry.strategy(info);
  const { object } = await readCurrent(registry, keyOf(strategy, namespace, name));
  if (object === null) throw notFound(info, name);
  return object;
}
