export { type BackupSummary, readBackup } from "./format.ts";
export { readState, type RestoredState, seedMember } from "./restore.ts";
export { saveBackup } from "./save.ts";
