import type { GrpcMethod } from "../../platform/grpc/mod.ts";
import type { Alarm, AlarmKind } from "../types.ts";
import { etcdError } from "./errors.ts";
import { numberOf } from "./ids.ts";
import { announcedStorageVersion, announcedVersion } from "./limits.ts";
import { alarmAction, alarmType, type Input } from "./messages.ts";
import { type Facade, unary } from "./service.ts";

/** etcdserverpb.Maintenance but for Snapshot. Everything here is about the member behind this endpoint. */
export function maintenanceService({ store, own, headers }: Facade): [path: string, method: GrpcMethod][] {
  const path = (name: string) => `/etcdserverpb.Maintenance/${name}`;
  async function nameOf(id: bigint): Promise<string | undefined> {
    return (await store.membership.list()).find((each) => numberOf(each.id) === id)?.id;
  }

  return [
    [
      path("Status"),
      unary("StatusRequest", "StatusResponse", async () => {
        const [status, alarms] = await Promise.all([own.status(), own.alarm({ action: "list" })]);
        headers.saw(status);
        return {
          header: headers.at(status.revision),
          version: announcedVersion,
          storageVersion: announcedStorageVersion,
          dbSize: status.allocatedBytes,
          dbSizeInUse: status.databaseBytes,
          dbSizeQuota: status.quotaBytes ?? -1, // as etcd says of a quota that is off
          leader: numberOf(status.leaderId),
          raftIndex: status.commitIndex,
          raftAppliedIndex: status.appliedIndex,
          raftTerm: status.term,
          isLearner: status.isLearner,
          errors: [
            ...(status.leaderId === "" ? [etcdError("noLeader").message] : []),
            ...alarms.map((alarm) => `memberID:${numberOf(alarm.memberId)} alarm:${alarm.kind.toUpperCase()} `),
          ],
        };
      }),
    ],
    [
      path("Hash"),
      unary("HashRequest", "HashResponse", async () => {
        const { hash, revision } = await own.hashKv();
        return { header: headers.at(revision), hash };
      }),
    ],
    [
      path("HashKV"),
      unary("HashKVRequest", "HashKVResponse", async (request) => {
        const { hash, hashRevision, compactRevision, revision } = await own.hashKv(request.revision);
        // etcd says -1 while nothing was compacted.
        const compact_revision = compactRevision === 0 ? -1 : compactRevision;
        return { header: headers.at(revision), hash, compact_revision, hash_revision: hashRevision };
      }),
    ],
    [
      path("Alarm"),
      unary("AlarmRequest", "AlarmResponse", async ({ action, memberID, alarm }) => {
        if (action === alarmAction.get) {
          const alarms = await store.alarm({ action: "list" });
          return {
            header: headers.at(),
            alarms: alarms.filter((each) => wanted(each, memberID, alarm)).map(alarmMessage),
          };
        }
        const kind = kindOf(alarm);
        const memberId = await nameOf(memberID);
        if (kind === null || memberId === undefined) return { header: headers.at() };
        const verb = action === alarmAction.activate ? "activate" : "disarm";
        const changed = await store.alarm({ action: verb, memberId, kind });
        return { header: headers.at(), alarms: changed.map(alarmMessage) };
      }),
    ],
    [
      path("Defragment"),
      unary("DefragmentRequest", "DefragmentResponse", async () => {
        await own.defragment();
        return { header: headers.at() };
      }),
    ],
    [
      path("MoveLeader"),
      unary("MoveLeaderRequest", "MoveLeaderResponse", async ({ targetID }) => {
        const { memberId, leaderId } = await own.status();
        if (memberId !== leaderId) throw etcdError("notLeader");
        const target = await nameOf(targetID);
        if (target === undefined) throw etcdError("badTransferee");
        await own.membership.moveLeader(target);
        return { header: headers.at() };
      }),
    ],
  ];
}

function kindOf(alarm: number): AlarmKind | null {
  return alarm === alarmType.noSpace ? "NoSpace" : alarm === alarmType.corrupt ? "Corrupt" : null;
}

function alarmMessage({ memberId, kind }: Alarm): Input<"AlarmMember"> {
  return { memberID: numberOf(memberId), alarm: kind === "NoSpace" ? alarmType.noSpace : alarmType.corrupt };
}

function wanted(alarm: Alarm, memberId: bigint, type: number): boolean {
  const message = alarmMessage(alarm);
  return (type === alarmType.none || type === message.alarm) && (memberId === 0n || memberId === message.memberID);
}
