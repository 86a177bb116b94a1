/**
 * The command line: one verb a file under verbs/, global options, and the one place where errors
 * become messages and exit codes.
 */
import { Command, CommanderError } from 'commander';
import { AfterimageError, asAfterimageError, ExitCode, messageOf } from '../shared/errors.js';
import type { Io } from './io.js';
import { plainIo } from './plain-io.js';
import { type Invoke, VerbContext } from './verb.js';
import { ownVersion } from './version.js';

type AddVerb = (program: Command, invoke: Invoke) => void;

/** In the order of --help. A verb is loaded when it is named: all of them take 0.2 s. */
const verbs: Readonly<Record<string, () => Promise<AddVerb>>> = {
  replica: async () => (await import('./verbs/replica.js')).addReplica,
  agent: async () => (await import('./verbs/agent.js')).addAgent,
  broker: async () => (await import('./verbs/broker.js')).addBroker,
  enroll: async () => (await import('./verbs/enroll.js')).addEnroll,
  status: async () => (await import('./verbs/status.js')).addStatus,
  sync: async () => (await import('./verbs/sync.js')).addSync,
  points: async () => (await import('./verbs/points.js')).addPoints,
  ls: async () => (await import('./verbs/ls.js')).addLs,
  cat: async () => (await import('./verbs/cat.js')).addCat,
  find: async () => (await import('./verbs/find.js')).addFind,
  search: async () => (await import('./verbs/search.js')).addSearch,
  versions: async () => (await import('./verbs/versions.js')).addVersions,
  diff: async () => (await import('./verbs/diff.js')).addDiff,
  restore: async () => (await import('./verbs/restore.js')).addRestore,
  mount: async () => (await import('./verbs/mount.js')).addMount,
  unmount: async () => (await import('./verbs/unmount.js')).addUnmount,
  mounts: async () => (await import('./verbs/mounts.js')).addMounts,
  verify: async () => (await import('./verbs/verify.js')).addVerify,
  retain: async () => (await import('./verbs/retain.js')).addRetain,
  hold: async () => (await import('./verbs/hold.js')).addHold,
  release: async () => (await import('./verbs/release.js')).addRelease,
  prune: async () => (await import('./verbs/prune.js')).addPrune,
  scrub: async () => (await import('./verbs/scrub.js')).addScrub,
  jobs: async () => (await import('./verbs/jobs.js')).addJobs,
  certificate: async () => (await import('./verbs/certificate.js')).addCertificate,
  token: async () => (await import('./verbs/token.js')).addToken,
  audit: async () => (await import('./verbs/audit.js')).addAudit,
  bench: async () => (await import('./verbs/bench.js')).addBench,
  doctor: async () => (await import('./verbs/doctor.js')).addDoctor,
  completion: async () => (await import('./verbs/completion.js')).addCompletion,
  man: async () => (await import('./verbs/man.js')).addMan,
};

/** Runs one command line, without the program's name. Resolves with the exit code; never rejects. */
export async function runCommandLine(argv: readonly string[], world: Io): Promise<number> {
  const io = argv.includes('--json') ? world : plainIo(world);
  let code: number = ExitCode.ok;
  const program = await createProgram(io, namedVerbs(argv), async (command, body) => {
    const context = new VerbContext(io, command.optsWithGlobals());
    try {
      code = await body(context);
    } finally {
      await context.close();
    }
  });
  try {
    await program.parseAsync(argv, { from: 'user' });
    return code;
  } catch (error) {
    return report(error, argv, io);
  }
}

/**
 * Verbs whose work is not their output: when nobody reads that any more the work is cut off, and must
 * not pass for done. Of the others, whoever stopped reading had enough.
 */
const acting: ReadonlySet<string> = new Set([
  'restore',
  'sync',
  'verify',
  'scrub',
  'prune',
  'bench',
]);

/** They speak of all verbs. */
const speakOfAll = ['completion', 'man'];

/**
 * The verbs that a command line can mean: none of them for the version alone, all when it names none,
 * for help and suggestions.
 */
function namedVerbs(argv: readonly string[]): readonly string[] {
  if (argv.length === 1 && argv[0] === '--version') return [];
  if (speakOfAll.some((name) => argv.includes(name))) return verbNames;
  const named = verbNames.filter((name) => argv.includes(name));
  return named.length > 0 ? named : verbNames;
}

export const verbNames: readonly string[] = Object.keys(verbs);

/** The program with these verbs, in the order of --help. */
export async function createProgram(
  io: Io,
  names: readonly string[],
  invoke: Invoke,
): Promise<Command> {
  const adds = await Promise.all(names.flatMap((name) => verbs[name]?.() ?? []));
  const program = new Command('afterimage')
    .description('Keeps a second, current copy of an application and every past state of it.')
    .version(ownVersion(), '--version', 'print the version')
    .option('--url <url>', "the replica's API (AFTERIMAGE_URL)")
    .option('--token-file <file>', 'file with the token of the API (or AFTERIMAGE_TOKEN)')
    .helpOption('--help', 'print what a verb takes')
    .helpCommand(false)
    .showSuggestionAfterError(true)
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false })
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.out(text),
      writeErr: () => undefined,
      getOutHelpWidth: () => io.columns,
      getErrHelpWidth: () => io.columns,
    });
  for (const add of adds) add(program, invoke);
  for (const command of program.commands) {
    command.copyInheritedSettings(program).helpOption('--help', 'print this');
  }
  return program;
}

/** Errors print message, then hint, on standard error; with --json one object. */
function report(cause: unknown, argv: readonly string[], io: Io): number {
  if (cause instanceof CommanderError && cause.exitCode === 0) return ExitCode.ok;
  if (io.outClosed && !namedVerbs(argv).some((name) => acting.has(name))) return ExitCode.ok;
  const error =
    cause instanceof CommanderError
      ? new AfterimageError('argument-invalid', cause.message.replace(/^error: /, ''))
      : asAfterimageError(cause);
  if (argv.includes('--json')) {
    const { code, kind, message, hint, facts } = error;
    io.err(`${JSON.stringify({ error: { code, kind, message, hint, facts } })}\n`);
  } else {
    io.err(`afterimage: ${error.message}\n${error.hint}\n`);
    if (error.kind === 'bug' && cause instanceof Error) io.err(`${cause.stack ?? ''}\n`);
    if (error.cause !== undefined && error.kind !== 'bug') {
      const why = messageOf(error.cause);
      if (!error.message.includes(why)) io.err(`Cause: ${why}\n`);
    }
  }
  return error.exit;
}
