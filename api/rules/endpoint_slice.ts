/** EndpointSlices. */
import { duplicate, type FieldError, invalid, required, tooMany } from "../field_errors.ts";
import type { DiscoveryV1EndpointPort, Endpoint, EndpointSlice } from "../gen/types.ts";
import type { KubeObject } from "../meta.ts";
import { isIpv4, isIpv6, portNumber } from "../names.ts";
import { each, labelAt, nonSpecialIp, oneOf, qualifiedAt, subdomainAt, unset } from "./common.ts";
import { countGeneration, firstGeneration, metadataRules } from "./generic.ts";
import { immutable, nameRules, validateMeta, validateMetaUpdate } from "./meta.ts";
import type { RuleContext, Rules } from "./types.ts";

// Rules are looked up by resource, and the codec has checked the object against EndpointSlice's schema.
const asSlice = (object: KubeObject): EndpointSlice => object as EndpointSlice;

const metaRule = { namespaced: true, name: nameRules.subdomain } as const;
const endpointsMax = 1000;
const addressesMax = 100;
const portsMax = 20_000;

export const endpointSliceRules: Rules = {
  ...metadataRules(metaRule),
  hasGeneration: true,
  setDefaults(object) {
    for (const port of asSlice(object).ports ?? []) {
      port.name ??= "";
      port.protocol ??= "TCP";
    }
  },
  prepareForCreate: firstGeneration,
  prepareForUpdate: (next, old) => countGeneration(next, old, "addressType", "endpoints", "ports"),
  validate: (object, context) => [
    ...validateMeta(object.metadata, metaRule),
    ...validateSlice(asSlice(object), context),
  ],
  validateUpdate: (next, old, context) => [
    ...validateMetaUpdate(next.metadata, old.metadata),
    ...validateSlice(asSlice(next), context),
    ...immutable(asSlice(next).addressType, asSlice(old).addressType, "addressType"),
  ],
};

function validateSlice(slice: EndpointSlice, context: RuleContext): FieldError[] {
  const errors = oneOf(slice.addressType, "addressType", ["FQDN", "IPv4", "IPv6"]);
  const endpoints = slice.endpoints ?? [];
  if (endpoints.length > endpointsMax) return [...errors, tooMany("endpoints", endpoints.length, endpointsMax)];
  for (const [i, endpoint] of endpoints.entries()) {
    errors.push(...validateEndpoint(endpoint, slice.addressType, context, `endpoints[${i}]`));
  }
  return [...errors, ...validatePorts(slice.ports ?? [])];
}

function validateEndpoint(endpoint: Endpoint, type: string, context: RuleContext, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const addresses = endpoint.addresses ?? [];
  if (addresses.length === 0) errors.push(required(`${path}.addresses`, "must contain at least 1 address"));
  if (addresses.length > addressesMax) {
    errors.push(tooMany(`${path}.addresses`, addresses.length, addressesMax));
  }
  for (const [i, address] of addresses.entries()) {
    const at = `${path}.addresses[${i}]`;
    if (type === "FQDN") errors.push(...subdomainAt(address.replace(/\.$/, ""), at));
    else if (type === "IPv4" && !isIpv4(address)) errors.push(invalid(at, address, "must be a valid IPv4 address"));
    else if (type === "IPv6" && !isIpv6(address)) errors.push(invalid(at, address, "must be a valid IPv6 address"));
    else errors.push(...nonSpecialIp(address, at, context.allowLoopbackEndpoints));
  }
  if (endpoint.nodeName !== undefined) errors.push(...subdomainAt(endpoint.nodeName, `${path}.nodeName`));
  if (endpoint.hostname !== undefined) errors.push(...labelAt(endpoint.hostname, `${path}.hostname`));
  return errors;
}

function validatePorts(ports: readonly DiscoveryV1EndpointPort[]): FieldError[] {
  if (ports.length > portsMax) return [tooMany("ports", ports.length, portsMax)];
  const errors: FieldError[] = [];
  const names = new Set<string>();
  for (const [i, port] of ports.entries()) {
    const at = `ports[${i}]`;
    const name = port.name ?? "";
    if (name !== "") errors.push(...labelAt(name, `${at}.name`));
    if (names.has(name)) errors.push(duplicate(`${at}.name`, name));
    names.add(name);
    errors.push(...oneOf(port.protocol, `${at}.protocol`, ["SCTP", "TCP", "UDP"]));
    if (port.port !== undefined) errors.push(...each(portNumber(port.port), `${at}.port`, port.port));
    if (!unset(port.appProtocol)) errors.push(...qualifiedAt(port.appProtocol, `${at}.appProtocol`));
  }
  return errors;
}
