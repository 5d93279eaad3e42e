/** Every bound of the kubelet, in one place. */

/** The CRI log of one container instance is begun anew at this size; as many old ones are kept. Upstream's defaults. */
export const maxLogFileBytes = 10 * 1024 * 1024;
export const maxLogFiles = 5;
/** A raw output file is emptied beyond this size; the container is stopped for the moment that takes. */
export const maxRawOutputBytes = 8 * 1024 * 1024;
/** Longer lines are written in parts, as containerd does. */
export const maxLogLineBytes = 16 * 1024;
/** One read of raw output or of a log. */
export const logChunkBytes = 256 * 1024;
/** How often a container's output is looked at: while it writes, and when it has been quiet. */
export const logPollBusyMs = 100;
export const logPollQuietMs = 1000;
/** How often a client that follows a log is served. */
export const logFollowMs = 100;

/** Exec and attach sessions, and log streams, of one kubelet. */
export const maxSessions = 256;
/** Bytes waiting for a slow exec client; beyond them its output is not read on. */
export const maxSessionBufferedBytes = 1024 * 1024;
/** Bytes of stdin waiting for a process that does not read. */
export const maxStdinBufferedBytes = 1024 * 1024;
/** One read from an upgraded connection or a forwarded port. */
export const streamReadBytes = 64 * 1024;
/** How long a SPDY client may take to open the streams of its session; upstream's default. */
export const streamCreationMs = 30_000;
/** How long a SPDY client may take to hang up when its session has ended. */
export const streamLingerMs = 10_000;
/** Ports that one WebSocket forwards. */
export const maxForwardedPorts = 64;
/** How long an exec waits for the terminal's size before it starts. */
export const terminalSizeWaitMs = 200;
/** What a probe or hook that runs a command may print; the rest is dropped. */
export const maxProbeOutputBytes = 10 * 1024;
/** Probes of one kubelet that run at once. */
export const maxProbesAtOnce = 100;

/** Pods of one node. Upstream's default. */
export const maxPods = 110;
/** Restart back-off, upstream's: 10 s doubling up to 5 min. */
export const restartBackoffMs = 10_000;
export const restartBackoffMaxMs = 300_000;
/** Between tries when a ConfigMap or Secret of a container is missing. */
export const configRetryMs = 5_000;
/** Containers that start at once in one kubelet. */
export const maxStartsAtOnce = 16;

/** How often a container that an earlier kubelet started is looked for. */
export const adoptedPollMs = 250;
/** How long a hard-killed container may take to be seen dead. */
export const killWaitMs = 5_000;
/** Volumes made from API objects are read again this often, as upstream syncs them. */
export const volumeRefreshMs = 60_000;
/** One ConfigMap's or Secret's files. The API bounds objects to about this. */
export const maxVolumeBytes = 4 * 1024 * 1024;
/** The file a container leaves its last words in. Upstream's bound. */
export const maxTerminationMessageBytes = 4096;

/** Waits between tries to write a status, to register the node, or to renew its lease. */
export const apiRetryMs = 200;
export const apiRetryMaxMs = 5_000;
/** Pod workers that may wait for a lost API write: one per pod, so bounded by the pods. */
export const maxStatusTries = 1_000_000;
/** The node's status is written at least this often, changed or not. Upstream's default. */
export const nodeStatusReportMs = 300_000;
