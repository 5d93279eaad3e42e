import { dig, items, type Json, record, text, texts, whole } from "../dig.ts";
import { age, firstFew, isGoing, nameOf, orElse, selectorText } from "./cells.ts";
import { columns, type Printer } from "./columns.ts";

const ingressPrinter: Printer = {
  columns: columns("Name", "Class", "Hosts", "Address", "Ports", "Age"),
  cells: (it, now) => {
    const spec = record(it["spec"]);
    const hosts = items(spec["rules"]).map((rule) => text(dig(rule, "host"))).filter((host) => host !== "");
    const addresses = items(dig(it, "status", "loadBalancer", "ingress")).map(record)
      .map((each) => text(each["ip"]) || text(each["hostname"])).filter((address) => address !== "");
    return [
      nameOf(it),
      orElse(spec["ingressClassName"], "<none>"),
      firstFew(hosts, 3, "*"),
      addresses.join(","),
      items(spec["tls"]).length > 0 ? "80, 443" : "80",
      age(it, now),
    ];
  },
};

const ingressClassPrinter: Printer = {
  columns: columns("Name", "Controller", "Parameters", "Age"),
  cells: (it, now) => {
    const parameters = dig(it, "spec", "parameters");
    const { kind, apiGroup, name } = record(parameters);
    const of = `${text(kind)}${text(apiGroup) === "" ? "" : `.${text(apiGroup)}`}/${text(name)}`;
    const shown = parameters === undefined ? "<none>" : of;
    return [nameOf(it), text(dig(it, "spec", "controller")), shown, age(it, now)];
  },
};

const networkPolicyPrinter: Printer = {
  columns: columns("Name", "Pod-Selector", "Age"),
  cells: (it, now) => [nameOf(it), selectorText(dig(it, "spec", "podSelector")), age(it, now)],
};

const ipAddressPrinter: Printer = {
  columns: columns("Name", "ParentRef"),
  cells: (it) => {
    const { group, resource, namespace, name } = record(dig(it, "spec", "parentRef"));
    const kind = text(group) === "" ? text(resource) : `${text(resource)}.${text(group)}`;
    return [nameOf(it), [kind, text(namespace), text(name)].filter((part) => part !== "").join("/").toLowerCase()];
  },
};

const serviceCidrPrinter: Printer = {
  columns: columns("Name", "CIDRs", "Age"),
  cells: (it, now) => [nameOf(it), texts(dig(it, "spec", "cidrs")).join(","), age(it, now)],
};

const roleBindingPrinter: Printer = {
  columns: columns("Name", "Role", "Age", "Users*", "Groups*", "ServiceAccounts*"),
  cells: (it, now) => {
    const subjects = items(it["subjects"]).map(record);
    const names = (kind: string, show: (subject: Json) => string) =>
      subjects.filter((subject) => subject["kind"] === kind).map(show).join(", ");
    const nameIn = (subject: Json) => text(subject["name"]);
    return [
      nameOf(it),
      `${text(dig(it, "roleRef", "kind"))}/${text(dig(it, "roleRef", "name"))}`,
      age(it, now),
      names("User", nameIn),
      names("Group", nameIn),
      names("ServiceAccount", (subject) => `${text(subject["namespace"])}/${nameIn(subject)}`),
    ];
  },
};

const webhookPrinter: Printer = {
  columns: columns("Name", "Webhooks#", "Age"),
  cells: (it, now) => [nameOf(it), items(it["webhooks"]).length, age(it, now)],
};

/** @param list `validations` or `mutations` */
function policyPrinter(column: string, list: string): Printer {
  return {
    columns: columns("Name", column, "ParamKind", "Age"),
    cells: (it, now) => {
      const spec = record(it["spec"]);
      const { apiVersion, kind } = record(spec["paramKind"]);
      const paramKind = spec["paramKind"] === undefined ? "<unset>" : `${text(apiVersion)}/${text(kind)}`;
      return [nameOf(it), items(spec[list]).length, paramKind, age(it, now)];
    },
  };
}

const policyBindingPrinter: Printer = {
  columns: columns("Name", "PolicyName", "ParamRef", "Age"),
  cells: (it, now) => {
    const spec = record(it["spec"]);
    const { name, namespace, selector } = record(spec["paramRef"]);
    const what = text(name) || (selector === undefined ? "" : selectorText(selector));
    const paramRef = spec["paramRef"] === undefined
      ? "<unset>"
      : `${text(namespace) === "" ? "*" : text(namespace)}/${what}`;
    return [nameOf(it), text(spec["policyName"]), paramRef, age(it, now)];
  },
};

const flowSchemaPrinter: Printer = {
  columns: columns("Name", "PriorityLevel", "MatchingPrecedence#", "DistinguisherMethod", "Age", "MissingPL"),
  cells: (it, now) => {
    const dangling = items(dig(it, "status", "conditions")).find((each) => dig(each, "type") === "Dangling");
    return [
      nameOf(it),
      text(dig(it, "spec", "priorityLevelConfiguration", "name")) || "<none>",
      whole(dig(it, "spec", "matchingPrecedence")),
      text(dig(it, "spec", "distinguisherMethod", "type")) || "<none>",
      age(it, now),
      dangling === undefined ? "?" : text(dig(dangling, "status")),
    ];
  },
};

const priorityLevelPrinter: Printer = {
  columns: columns("Name", "Type", "NominalConcurrencyShares", "Queues", "HandSize", "QueueLengthLimit", "Age"),
  cells: (it, now) => {
    const spec = record(it["spec"]);
    const queuing = dig(spec, "limited", "limitResponse", "queuing");
    const shares = dig(spec, "limited", "nominalConcurrencyShares") ?? dig(spec, "exempt", "nominalConcurrencyShares");
    const shown = (value: unknown) => value === undefined ? "<none>" : String(value);
    return [
      nameOf(it),
      text(spec["type"]),
      shown(shares),
      shown(dig(queuing, "queues")),
      shown(dig(queuing, "handSize")),
      shown(dig(queuing, "queueLengthLimit")),
      age(it, now),
    ];
  },
};

const namedPrinter: Printer = {
  columns: columns("Name", "Age"),
  cells: (it, now) => [nameOf(it), age(it, now)],
};

const deviceClaimPrinter: Printer = {
  columns: columns("Name", "State", "Age"),
  cells: (it, now) => {
    const allocated = dig(it, "status", "allocation") !== undefined;
    const states = [
      ...(isGoing(it) ? ["deleted"] : allocated ? [] : ["pending"]),
      ...(allocated ? ["allocated"] : []),
      ...(items(dig(it, "status", "reservedFor")).length > 0 ? ["reserved"] : []),
    ];
    return [nameOf(it), states.join(","), age(it, now)];
  },
};

const deviceSlicePrinter: Printer = {
  columns: columns("Name", "Node", "Driver", "Pool", "Age"),
  cells: (it, now) => {
    const spec = record(it["spec"]);
    const node = orElse(spec["nodeName"], "<unset>");
    return [nameOf(it), node, text(spec["driver"]), text(dig(spec, "pool", "name")), age(it, now)];
  },
};

/** The columns that kube-aggregator gives its own table. */
const apiServicePrinter: Printer = {
  columns: columns("Name", "Service", "Available", "Age"),
  cells: (it, now) => {
    const service = dig(it, "spec", "service");
    const where = service === undefined || service === null
      ? "Local"
      : `${text(dig(service, "namespace"))}/${text(dig(service, "name"))}`;
    const available = items(dig(it, "status", "conditions")).map(record).find((each) => each["type"] === "Available");
    const status = orElse(available?.["status"], "Unknown");
    const reason = text(available?.["reason"]);
    return [nameOf(it), where, status === "True" || reason === "" ? status : `${status} (${reason})`, age(it, now)];
  },
};

/** Networking, access, admission, flow control, devices. */
export const clusterPrinters: Readonly<Record<string, Printer>> = {
  apiservices: apiServicePrinter,
  clusterrolebindings: roleBindingPrinter,
  deviceclasses: namedPrinter,
  flowschemas: flowSchemaPrinter,
  ingressclasses: ingressClassPrinter,
  ingresses: ingressPrinter,
  ipaddresses: ipAddressPrinter,
  mutatingadmissionpolicies: policyPrinter("Mutations#", "mutations"),
  mutatingadmissionpolicybindings: policyBindingPrinter,
  mutatingwebhookconfigurations: webhookPrinter,
  networkpolicies: networkPolicyPrinter,
  prioritylevelconfigurations: priorityLevelPrinter,
  resourceclaims: deviceClaimPrinter,
  resourceclaimtemplates: namedPrinter,
  resourceslices: deviceSlicePrinter,
  rolebindings: roleBindingPrinter,
  servicecidrs: serviceCidrPrinter,
  validatingadmissionpolicies: policyPrinter("Validations#", "validations"),
  validatingadmissionpolicybindings: policyBindingPrinter,
  validatingwebhookconfigurations: webhookPrinter,
};
