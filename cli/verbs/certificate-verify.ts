/**
 * `certificate verify`: checks an export with nothing but a public key. With --live it also asks the
 * replica whether its chain still has every entry of the file.
 */
import { createReadStream } from 'node:fs';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { exportLineSchema } from '../../shared/certificate/certificate.js';
import {
  type ChainProblem,
  ChainVerifier,
  type ChainVerdict,
} from '../../shared/certificate/verify-chain.js';
import { AfterimageError, ExitCode, messageOf } from '../../shared/errors.js';
import { setPath } from '../api-client.js';
import { formatCount, formatTime } from '../format.js';
import { addSubverb, type Invoke, type VerbContext } from '../verb.js';

/** Problems printed in full; the others are counted. */
const PROBLEMS_SHOWN = 1000;

interface Options {
  readonly key: string;
  readonly head?: readonly string[];
  readonly live?: boolean;
}

export function addCertificateVerify(program: Command, invoke: Invoke): void {
  addSubverb(program, 'verify', 'Verify an export; exits with 1 when anything does not hold')
    .argument('<file>', 'what certificate export wrote')
    .requiredOption('--key <publickey>', 'what certificate key printed, now or at any time before')
    .option(
      '--head <digest>',
      'digest of an entry that was seen earlier and must be there; may be given more than once',
      (digest: string, before: readonly string[] | undefined) => [
        ...(before ?? []),
        digest.toLowerCase(),
      ],
    )
    .option('--live', 'compare with what the replica has now')
    .action((file: string, options: Options, command: Command) =>
      invoke(command, async (context) => {
        const verifier = new ChainVerifier({ key: options.key, heads: options.head ?? [] });
        const path = resolve(context.io.folder, file);
        for await (const line of linesOf(path)) verifier.take(line);
        const verdict = verifier.end();
        const live =
          options.live === true && verdict.set !== undefined
            ? await compareLive(context, verdict.set, { key: options.key, file: verifier.digests })
            : [];
        const problems = [...verdict.problems, ...live];
        await printVerdict(context, verdict, problems);
        return problems.length === 0 ? ExitCode.ok : ExitCode.mismatch;
      }),
    );
}

async function* linesOf(path: string): AsyncGenerator<string> {
  try {
    for await (const line of createInterface({ input: createReadStream(path) })) {
      if (line !== '') yield line;
    }
  } catch (cause) {
    throw new AfterimageError('config-unreadable', `${path} cannot be read: ${messageOf(cause)}`, {
      cause,
    });
  }
}

/** How the replica's chain of today differs from the file, and what is wrong with itself. */
async function compareLive(
  context: VerbContext,
  set: string,
  { key, file }: { readonly key: string; readonly file: readonly string[] },
): Promise<ChainProblem[]> {
  const verifier = new ChainVerifier({ key });
  const lines = context.api.lines(exportLineSchema, { path: setPath(set, 'certificates') });
  for await (const line of lines) verifier.take(JSON.stringify(line));
  const live = verifier.digests;
  const problems = verifier
    .end()
    .problems.map((problem) => ({ ...problem, message: `at the replica: ${problem.message}` }));
  const different = file.findIndex(
    (digest, index) => index < live.length && live[index] !== digest,
  );
  if (different !== -1) {
    const message = 'the replica has another entry now: its chain or this file was rewritten';
    problems.push({ problem: 'end', message, sequence: different + 1 });
  } else if (live.length < file.length) {
    const message = `the replica's chain ends with entry ${live.length}: later ones were taken away`;
    problems.push({ problem: 'end', message, sequence: live.length + 1 });
  }
  return problems;
}

async function printVerdict(
  context: VerbContext,
  verdict: ChainVerdict,
  problems: readonly ChainProblem[],
): Promise<void> {
  const set = verdict.set ?? '?';
  for (const problem of problems.slice(0, context.json ? problems.length : PROBLEMS_SHOWN)) {
    await context.print({ type: 'problem', set, ...problem }, () => problemText(set, problem));
  }
  const { entries, certified, removed, head, writtenMs, damagedChecks } = verdict;
  const summary = { set, entries, certified, removed, head, writtenMs, damagedChecks };
  await context.print({ type: 'verified', ...summary, problems: problems.length }, () => {
    const notes = damagedChecks.map((note) => `${set} ${note}\n`).join('');
    const found = problems.length === 0 ? 'all holds' : `${formatCount(problems.length)} problems`;
    const at = writtenMs === undefined ? '' : `, as of ${formatTime(writtenMs)}`;
    return `${notes}${set}: ${formatCount(entries)} entries, ${formatCount(certified)} points certified, ${formatCount(removed)} removed by policy${at}: ${found}\nhead ${head}\n`;
  });
}

function problemText(set: string, { sequence, point, message }: ChainProblem): string {
  const at = point === undefined ? set : `${set}@${point}`;
  const entry = sequence === undefined ? '' : ` entry ${sequence}`;
  return `${at}${entry}: ${message}\n`;
}
