import { createDenoPlatform } from "../../platform/deno/mod.ts";
import { startMember } from "../../store/mod.ts";
import { profileDirectory, profileOnSignal } from "../../cluster/entry/_profile.ts";
import { timersOf } from "../../cluster/timers.ts";
import { addressesIn } from "./ours.ts";

/** The process of one member: `member.ts INDEX DIRECTORY`. What `cluster up` runs, without reports to a supervisor. */
const members = addressesIn(Deno.args[1] ?? "");
const own = members[Number(Deno.args[0])];
if (own === undefined) throw new RangeError(`No member ${Deno.args[0]}`);
const member = await startMember({
  clusterId: "bench",
  id: own.id,
  members,
  dataDirectory: `${Deno.args[1]}/${own.id}`,
  timers: timersOf("fast").store,
}, createDenoPlatform({ component: own.id, logLevel: "warn" }));
if (profileDirectory !== undefined) await profileOnSignal(profileDirectory, own.id);
member.failed.then((error) => {
  console.error(error);
  Deno.exit(1);
});
