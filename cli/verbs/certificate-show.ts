/** `certificate show`: what the chain says of one point, also of one that is gone. */
import type { Command } from 'commander';
import {
  type PointCertificateAnswer,
  pointCertificateSchema,
} from '../../shared/api/certificates.js';
import {
  digestOf,
  type Entry,
  readEntry,
  type Signed,
  signedMessage,
} from '../../shared/certificate/certificate.js';
import type { Check } from '../../shared/certificate/facts.js';
import { AfterimageError, ExitCode } from '../../shared/errors.js';
import { formatPointSelector, parseSetPoint } from '../../shared/point-selector.js';
import { signatureCheckOf } from '../../shared/seal/signing-key.js';
import { setPath } from '../api-client.js';
import { formatBytes, formatCount, formatDuration, formatTime } from '../format.js';
import { addSubverb, type Invoke } from '../verb.js';

interface ReadEntry {
  readonly entry: Entry;
  readonly digest: string;
  /** Whether the signature fits the key that the entry names. */
  readonly signed: boolean;
}

export function addCertificateShow(program: Command, invoke: Invoke): void {
  addSubverb(program, 'show', 'Show what is certified of a point, also of one that was removed')
    .argument('<set@point>', 'such as shop@latest')
    .action((at: string, _options: object, command: Command) =>
      invoke(command, async (context) => {
        const { set, selector } = parseSetPoint(at);
        const answer = await context.api.json(pointCertificateSchema, {
          path: setPath(set, 'points', formatPointSelector(selector), 'certificate'),
        });
        const entries = answer.entries.map(read);
        await context.print({ set, point: answer.point, entries }, () => format(answer, entries));
        return entries.every(({ signed }) => signed) ? ExitCode.ok : ExitCode.mismatch;
      }),
    );
}

function read({ text, signature }: Signed): ReadEntry {
  try {
    const entry = readEntry(text);
    const check = signatureCheckOf(entry.key);
    const signed = check(signedMessage('certificate', text), Buffer.from(signature, 'base64url'));
    return { entry, digest: digestOf('certificate', text), signed };
  } catch (cause) {
    throw new AfterimageError('answer-malformed', 'a certificate is not understood', { cause });
  }
}

function format({ set, point }: PointCertificateAnswer, entries: readonly ReadEntry[]): string {
  const lines = entries.flatMap(({ entry, digest, signed }): [string, string][] => [
    ...factLines(set, point, entry),
    ['entry', `${entry.sequence} of the chain, ${digest}`],
    ['written', formatTime(entry.writtenMs)],
    ['signed by', signed ? entry.key : `${entry.key}, BUT THE SIGNATURE DOES NOT FIT`],
    ['', ''],
  ]);
  const width = Math.max(...lines.map(([title]) => title.length));
  return lines
    .slice(0, -1)
    .map(([title, value]) => (title === '' ? '\n' : `${title.padEnd(width)}  ${value}\n`))
    .join('');
}

function factLines(set: string, point: number, { facts }: Entry): [string, string][] {
  switch (facts.kind) {
    case 'point':
      return [
        ['point', `${set}@${point} of ${formatTime(facts.timeMs)}`],
        ['parent', facts.parent === 0 ? 'none' : `${set}@${facts.parent}`],
        ['digest', facts.digest],
        ['chain', facts.chain],
        ['consistency', `${facts.consistency} (recipe ${facts.recipe})`],
        ['held', facts.heldMs === 0 ? 'not held' : formatDuration(facts.heldMs)],
        ['holds', `${formatCount(facts.files)} files, ${formatBytes(facts.bytes)}`],
        ...facts.checked.map((check): [string, string] => ['checked', checkText(check)]),
      ];
    case 'removal':
      return [
        ['removed', `${formatTime(facts.timeMs)} by ${facts.by}`],
        ['policy', facts.policy],
      ];
    case 'check':
      return [['checked', checkText(facts)]];
    case 'key':
      return [['key', facts.next]];
  }
}

function checkText({ check, timeMs, findings }: Check): string {
  const found = findings === 0 ? 'good' : `${formatCount(findings)} findings`;
  return `${check}, ${formatTime(timeMs)}: ${found}`;
}
