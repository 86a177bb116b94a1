/**
 * The command line: one verb a file under verbs/, global options, and the one place where errors
 * become messages and exit codes.
 */
import { Command, CommanderError } from 'commander';
import { AfterimageError, asAfterimageError, ExitCode, messageOf } from '../shared/errors.js';
import type { Io } from './io.js';
import { type Invoke, VerbContext } from './verb.js';
import { ownVersion } from './version.js';
import { addAgent } from './verbs/agent.js';
import { addBench } from './verbs/bench.js';
import { addBroker } from './verbs/broker.js';
import { addCat } from './verbs/cat.js';
import { addCertificate } from './verbs/certificate.js';
import { addDiff } from './verbs/diff.js';
import { addEnroll } from './verbs/enroll.js';
import { addFind } from './verbs/find.js';
import { addHold } from './verbs/hold.js';
import { addLs } from './verbs/ls.js';
import { addPoints } from './verbs/points.js';
import { addPrune } from './verbs/prune.js';
import { addRelease } from './verbs/release.js';
import { addReplica } from './verbs/replica.js';
import { addRestore } from './verbs/restore.js';
import { addRetain } from './verbs/retain.js';
import { addScrub } from './verbs/scrub.js';
import { addStatus } from './verbs/status.js';
import { addSync } from './verbs/sync.js';
import { addVerify } from './verbs/verify.js';

const verbs = [
  addReplica,
  addAgent,
  addBroker,
  addEnroll,
  addStatus,
  addSync,
  addPoints,
  addLs,
  addCat,
  addFind,
  addDiff,
  addRestore,
  addVerify,
  addRetain,
  addHold,
  addRelease,
  addPrune,
  addScrub,
  addCertificate,
  addBench,
];

/** Runs one command line, without the program's name. Resolves with the exit code; never rejects. */
export async function runCommandLine(argv: readonly string[], io: Io): Promise<number> {
  let code: number = ExitCode.ok;
  const program = createProgram(io, async (command, body) => {
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

export function createProgram(io: Io, invoke: Invoke): Command {
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
  for (const add of verbs) add(program, invoke);
  for (const command of program.commands) {
    command.copyInheritedSettings(program).helpOption('--help', 'print this');
  }
  return program;
}

/** Errors print message, then hint, on standard error; with --json one object. */
function report(cause: unknown, argv: readonly string[], io: Io): number {
  if (io.outClosed || (cause instanceof CommanderError && cause.exitCode === 0)) return ExitCode.ok;
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
