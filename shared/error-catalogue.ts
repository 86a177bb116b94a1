/**
 * Every code an error of the product can have, with what it means for whoever meets it. The catalogue
 * is the operator's manual in short: `docs/reference/errors.md` is held equal to it by a test.
 */

/** What the failure asks for: try again, a human, distrust of data, or a fix in this program. */
export type ErrorKind = 'retry' | 'operator' | 'corrupt' | 'bug';

interface CatalogueEntry {
  readonly kind: ErrorKind;
  /** Process exit code: see `ExitCode`. */
  readonly exit: number;
  /** HTTP status the API answers with. */
  readonly status: number;
  /** A sentence that says what to do. */
  readonly hint: string;
}

/** The few exit codes of `afterimage`, documented in docs/reference/cli.md. */
export const ExitCode = {
  ok: 0,
  /** Something compared, verified or restored did not match. */
  mismatch: 1,
  /** Arguments or configuration were wrong; nothing was done. */
  usage: 2,
  /** The set, point, path or job named does not exist. */
  notFound: 3,
  /** Broker, replica or agent could not be reached, or refused; worth trying again. */
  unavailable: 4,
  /** Stored data does not match its digests. */
  damaged: 5,
  /** A defect of this program. */
  bug: 70,
} as const;

export const catalogue = {
  // configuration and arguments
  'config-invalid': {
    kind: 'operator',
    exit: 2,
    status: 400,
    hint: 'Correct the named key; docs/reference/config.md lists every key with its type.',
  },
  'config-unreadable': {
    kind: 'operator',
    exit: 2,
    status: 400,
    hint: 'Check that the file exists and that this user may read it.',
  },
  'argument-invalid': {
    kind: 'operator',
    exit: 2,
    status: 400,
    hint: 'See afterimage VERB --help for what the verb takes.',
  },
  'not-found': {
    kind: 'operator',
    exit: 3,
    status: 404,
    hint: 'List what exists with afterimage status, points or ls.',
  },
  'folder-in-use': {
    kind: 'operator',
    exit: 4,
    status: 409,
    hint: 'Another process holds this data folder; stop it or choose another folder.',
  },
  unauthorised: {
    kind: 'operator',
    exit: 4,
    status: 401,
    hint: 'Give the token that the replica wrote to its data folder, with --token-file or AFTERIMAGE_TOKEN.',
  },
  forbidden: {
    kind: 'operator',
    exit: 4,
    status: 403,
    hint: 'Use a token with the role that is needed and this set in its scope; an admin makes one with afterimage token create.',
  },
  'method-refused': {
    kind: 'operator',
    exit: 2,
    status: 405,
    hint: 'Use a method that the Allow header names; GET /v1/openapi.json describes every route.',
  },
  'too-many-tries': {
    kind: 'retry',
    exit: 4,
    status: 429,
    hint: 'Too many tries failed from this address; wait as long as Retry-After says.',
  },
  'target-not-empty': {
    kind: 'operator',
    exit: 2,
    status: 409,
    hint: 'Restore into a new folder, or say --in-place to rewrite what differs.',
  },
  'target-refused': {
    kind: 'operator',
    exit: 2,
    status: 403,
    hint: 'The replica restores only below restore_roots of its configuration; elsewhere run afterimage restore on the machine itself.',
  },
  'restore-refused': {
    kind: 'operator',
    exit: 2,
    status: 403,
    hint: 'The agent restores what restore of its own configuration allows: see restore.allow and restore.folders on its host.',
  },
  'restore-unknown': {
    kind: 'operator',
    exit: 3,
    status: 404,
    hint: 'The restore was called off, or its job ended; ask for it again.',
  },
  // reachability
  'broker-missing': {
    kind: 'operator',
    exit: 4,
    status: 503,
    hint: 'Install nats-server 2.10 or newer, or name a running broker in the configuration.',
  },
  'broker-unreachable': {
    kind: 'retry',
    exit: 4,
    status: 503,
    hint: 'Check the broker URL and that the broker runs; the agent keeps its journal and goes on by itself.',
  },
  'replica-unreachable': {
    kind: 'retry',
    exit: 4,
    status: 503,
    hint: 'Check that the replica runs and that its address is right.',
  },
  'agent-away': {
    kind: 'retry',
    exit: 4,
    status: 503,
    hint: 'The agent of this set is not connected; check that it runs.',
  },
  'permission-violation': {
    kind: 'operator',
    exit: 4,
    status: 403,
    hint: 'The broker refused this subject; enroll the agent again or correct its name.',
  },
  'answer-malformed': {
    kind: 'corrupt',
    exit: 4,
    status: 502,
    hint: 'The replica answered what this version does not understand, or broke off; use one version on both sides and try again.',
  },
  'timed-out': {
    kind: 'retry',
    exit: 4,
    status: 504,
    hint: 'The other side did not answer in time; it is tried again.',
  },
  'webhook-failed': {
    kind: 'retry',
    exit: 4,
    status: 502,
    hint: 'An alarm was not taken by the webhook; it is tried again for an hour. Check its URL, and what the receiver says of it.',
  },
  'worker-lost': {
    kind: 'retry',
    exit: 4,
    status: 503,
    hint: 'A worker thread died twice over the same files; it is tried again. Look for what the log says of memory.',
  },
  cancelled: {
    kind: 'operator',
    exit: 4,
    status: 499,
    hint: 'The work was cancelled; start it again to go on.',
  },
  'job-state': {
    kind: 'operator',
    exit: 2,
    status: 409,
    hint: 'See with afterimage jobs show what became of the job; only open jobs are cancelled, and only ended ones resumed.',
  },
  'too-many-jobs': {
    kind: 'retry',
    exit: 4,
    status: 429,
    hint: 'Wait until some of the open jobs have ended, or cancel some: afterimage jobs.',
  },
  'too-many-listeners': {
    kind: 'retry',
    exit: 4,
    status: 503,
    hint: 'As many as the replica serves listen to its events; close a console, or ask for what is new instead.',
  },
  'preview-refused': {
    kind: 'operator',
    exit: 2,
    status: 415,
    hint: 'Only images and text are shown; download the file instead.',
  },
  // identity
  'identity-unknown': {
    kind: 'operator',
    exit: 4,
    status: 403,
    hint: 'Enroll this agent with afterimage enroll and give it the new enrolment file.',
  },
  'identity-in-use': {
    kind: 'operator',
    exit: 4,
    status: 409,
    hint: 'Two machines have one identity (a clone, or one out of a backup). To let the refused one in and shut the other out: afterimage enroll NAME --adopt, on the replica. To run both: give one an enrolment under a name of its own.',
  },
  'set-owned': {
    kind: 'operator',
    exit: 4,
    status: 409,
    hint: 'Another agent owns a set of this name; rename the set in the configuration.',
  },
  'session-stale': {
    kind: 'retry',
    exit: 4,
    status: 409,
    hint: 'A newer session of this set exists; the agent says hello again.',
  },
  // wire
  'frame-malformed': {
    kind: 'corrupt',
    exit: 5,
    status: 400,
    hint: 'A message did not decode; it was refused and counted. Check for a version mismatch between agent and replica.',
  },
  'frame-forged': {
    kind: 'corrupt',
    exit: 5,
    status: 400,
    hint: 'A message did not open under the session key; it was refused and counted.',
  },
  'record-refused': {
    kind: 'corrupt',
    exit: 5,
    status: 400,
    hint: 'The agent sent a record that the set cannot take; the sync was dropped, base and points stand.',
  },
  'parent-mismatch': {
    kind: 'retry',
    exit: 4,
    status: 409,
    hint: 'The sync builds on another point than the newest one; the agent compares states and plans anew.',
  },
  'digest-mismatch': {
    kind: 'retry',
    exit: 4,
    status: 409,
    hint: 'Received bytes do not have their digest; the agent sends the blocks again.',
  },
  diverged: {
    kind: 'retry',
    exit: 4,
    status: 409,
    hint: 'Agent and replica remember different histories; the agent compares everything once and goes on.',
  },
  'spool-full': {
    kind: 'operator',
    exit: 4,
    status: 507,
    hint: 'Raise spool_bytes_max, or make the replica reachable.',
  },
  'spool-unreadable': {
    kind: 'retry',
    exit: 4,
    status: 500,
    hint: 'What the agent had put aside for the replica does not read back; the sync is planned anew. Check the disk of the data folder.',
  },
  'quota-exceeded': {
    kind: 'operator',
    exit: 4,
    status: 507,
    hint: 'Raise the quota of the set or agent in the configuration of the replica, or remove points; nothing is pruned for a quota.',
  },
  // capture and quiesce
  'capture-unavailable': {
    kind: 'operator',
    exit: 4,
    status: 500,
    hint: 'The kernel does not report changes of this set, so watches or scans find them; the message says what is missing.',
  },
  'root-missing': {
    kind: 'operator',
    exit: 3,
    status: 409,
    hint: 'A root is not there, is empty, or is another file system than before; mount it, then the next sync reconciles. Moved for good: stop the agent and remove the folder of the set in its data folder; then everything is compared once.',
  },
  'file-unreadable': {
    kind: 'operator',
    exit: 4,
    status: 409,
    hint: 'The agent may not read this file; run it with the right to, or exclude the file.',
  },
  'quiesce-failed': {
    kind: 'operator',
    exit: 4,
    status: 409,
    hint: 'The application could not be held; see the cause. It has been released.',
  },
  'quiesce-deadline': {
    kind: 'operator',
    exit: 4,
    status: 409,
    hint: 'The hold took longer than its deadline and was released; raise the deadline or reduce what changes.',
  },
  // storage
  'storage-full': {
    kind: 'operator',
    exit: 4,
    status: 507,
    hint: 'Free space, or inodes, on the disk of the process that says this; it goes on by itself, and old points stay readable.',
  },
  'flush-failed': {
    kind: 'retry',
    exit: 4,
    status: 500,
    hint: 'The replica could not flush to its disk; the agent sends the sync again. Check the disk.',
  },
  'storage-failed': {
    kind: 'operator',
    exit: 4,
    status: 500,
    hint: 'The disk refused a read or write; see the cause and check the disk.',
  },
  'path-escapes': {
    kind: 'corrupt',
    exit: 5,
    status: 400,
    hint: 'A name would leave its folder; it was refused.',
  },
  damaged: {
    kind: 'corrupt',
    exit: 5,
    status: 500,
    hint: 'The stored bytes do not match their digest; other points and files are not affected. Run afterimage verify --data.',
  },
  mismatch: {
    kind: 'corrupt',
    exit: 1,
    status: 409,
    hint: 'What was compared is not equal; the differences are listed above.',
  },
  'database-version': {
    kind: 'operator',
    exit: 2,
    status: 500,
    hint: 'The data folder was written by another version; use that version or migrate.',
  },
  'native-missing': {
    kind: 'operator',
    exit: 4,
    status: 501,
    hint: 'Install a C++ compiler and run npm ci again to build the native part.',
  },
  'mount-unavailable': {
    kind: 'operator',
    exit: 4,
    status: 501,
    hint: 'Mounting needs Linux with FUSE: as an ordinary user the package fuse3, as root /dev/fuse. Files can be read without it, with ls, cat and restore.',
  },
  'mount-busy': {
    kind: 'operator',
    exit: 4,
    status: 409,
    hint: 'Close what is open below the folder and leave it, or detach it with unmount --lazy.',
  },
  // ours
  internal: {
    kind: 'bug',
    exit: 70,
    status: 500,
    hint: 'This is a defect; please report it with the message and the log.',
  },
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorCode = keyof typeof catalogue;
