import { type Disk, DiskError, type DiskFile } from "../mod.ts";

/** What is wrong with a component's disk. */
export interface DiskCondition {
  /** No file may grow and none may be made; writing over what is there, reading, renaming and removing go on. */
  readonly full: boolean;
}

/** The condition as it stands now: the disk below asks at every write. */
export class DiskFaults {
  condition: DiskCondition | null = null;
}

/** The same disk, which can be told to be full: what ENOSPC looks like, without root and without filling anything. */
export function faultyDisk(disk: Disk, faults: DiskFaults): Disk {
  return {
    ...disk,
    async open(path, options) {
      if (isFull(faults) && options.create === true && await disk.stat(path) === null) throw noSpace("open", path);
      return faultyFile(await disk.open(path, options), faults);
    },
    async writeFileAtomic(path, bytes) {
      if (isFull(faults)) throw noSpace("write", path);
      await disk.writeFileAtomic(path, bytes);
    },
    openScratch(directory) {
      const scratch = disk.openScratch(directory);
      return {
        ...scratch,
        append(bytes) {
          if (isFull(faults)) throw noSpace("write", "a scratch file");
          return scratch.append(bytes);
        },
      };
    },
    async mkdir(path) {
      if (isFull(faults) && await disk.stat(path) === null) throw noSpace("make directory", path);
      await disk.mkdir(path);
    },
  };
}

function faultyFile(file: DiskFile, faults: DiskFaults): DiskFile {
  return {
    path: file.path,
    async writeAt(offset, bytes) {
      if (isFull(faults) && offset + bytes.length > await file.size()) throw noSpace("write", file.path);
      await file.writeAt(offset, bytes);
    },
    readAt: (offset, length) => file.readAt(offset, length),
    size: () => file.size(),
    async truncate(length) {
      if (isFull(faults) && length > await file.size()) throw noSpace("truncate", file.path);
      await file.truncate(length);
    },
    sync: () => file.sync(),
    close: () => file.close(),
  };
}

function isFull(faults: DiskFaults): boolean {
  return faults.condition?.full === true;
}

function noSpace(doing: string, path: string): DiskError {
  return new DiskError("noSpace", `Cannot ${doing} ${path}: No space left on device (os error 28)`);
}
