import type { GrpcMethod } from "../../platform/grpc/mod.ts";
import type { ClusterMember } from "../types.ts";
import { etcdError } from "./errors.ts";
import { numberOf } from "./ids.ts";
import type { Input } from "./messages.ts";
import { type Facade, unary } from "./service.ts";

/** etcdserverpb.Cluster. @param clientUrl where a member's own gateway listens; null: it has none */
export function clusterService(
  { store, headers }: Facade,
  clientUrl: (member: ClusterMember) => string | null,
): [path: string, method: GrpcMethod][] {
  const path = (name: string) => `/etcdserverpb.Cluster/${name}`;
  const { membership } = store;

  function memberMessage(member: ClusterMember): Input<"Member"> {
    const url = clientUrl(member);
    // Until it has started, a member has neither a name nor a client URL.
    const started = url !== null || member.clientAddress !== "";
    return {
      ID: numberOf(member.id),
      name: started ? member.id : "",
      peerURLs: [peerUrl(member.peerAddress)],
      clientURLs: url === null ? [] : [url],
      isLearner: member.isLearner,
    };
  }
  async function members(): Promise<Input<"Member">[]> {
    return (await membership.list()).map(memberMessage);
  }
  async function nameOf(id: bigint): Promise<string> {
    const member = (await membership.list()).find((each) => numberOf(each.id) === id);
    if (member === undefined) throw etcdError("memberNotFound");
    return member.id;
  }

  return [
    [
      path("MemberList"),
      unary(
        "MemberListRequest",
        "MemberListResponse",
        async () => ({ header: headers.at(), members: await members() }),
      ),
    ],
    [
      path("MemberAdd"),
      unary("MemberAddRequest", "MemberAddResponse", async ({ peerURLs, isLearner }) => {
        const member = await membership.add({ peerAddress: peerAddress(peerURLs), isLearner });
        return { header: headers.at(), member: memberMessage(member), members: await members() };
      }),
    ],
    [
      path("MemberRemove"),
      unary("MemberRemoveRequest", "MemberRemoveResponse", async ({ ID }) => {
        await membership.remove(await nameOf(ID));
        return { header: headers.at(), members: await members() };
      }),
    ],
    [
      path("MemberUpdate"),
      unary("MemberUpdateRequest", "MemberUpdateResponse", async ({ ID, peerURLs }) => {
        await membership.update(await nameOf(ID), { peerAddress: peerAddress(peerURLs) });
        return { header: headers.at(), members: await members() };
      }),
    ],
    [
      path("MemberPromote"),
      unary("MemberPromoteRequest", "MemberPromoteResponse", async ({ ID }) => {
        await membership.promote(await nameOf(ID));
        return { header: headers.at(), members: await members() };
      }),
    ],
  ];
}

/** `unix:run/x.sock` -> `unix://run/x.sock`; `tcp:host:port` -> `https://host:port`. */
function peerUrl(address: string): string {
  if (address.startsWith("unix:")) return `unix://${address.slice("unix:".length)}`;
  return address.startsWith("tcp:") ? `https://${address.slice("tcp:".length)}` : address;
}

function peerAddress(urls: readonly string[]): string {
  const match = /^(https?|unixs?):\/\/(.+)$/.exec(urls[0] ?? "");
  if (match === null || urls.length !== 1) throw etcdError("badUrls");
  const [, scheme = "", rest = ""] = match;
  if (scheme.startsWith("unix")) return `unix:${rest}`;
  if (!/^[^/]+:[0-9]{1,5}$/.test(rest)) throw etcdError("badUrls");
  return `tcp:${rest}`;
}
