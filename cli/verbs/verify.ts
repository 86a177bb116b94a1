/** `verify`: checks stored points against their own digests. */
import type { Command } from 'commander';
import { type VerifyFinding, verifyLineSchema } from '../../shared/api/actions.js';
import { statusSchema } from '../../shared/api/status.js';
import { ExitCode } from '../../shared/errors.js';
import { formatPointSelector, parseSetPoint } from '../../shared/point-selector.js';
import { setPath } from '../api-client.js';
import { formatBytes, formatCount } from '../format.js';
import { Progress } from '../progress.js';
import { addVerb, type Invoke, type VerbContext } from '../verb.js';

/** Findings printed in full a set; the others are counted. */
const FINDINGS_SHOWN = 1000;

interface Target {
  readonly set: string;
  readonly point?: string;
}

export function addVerify(program: Command, invoke: Invoke): void {
  addVerb(program, 'verify', 'Check stored points; exits with 5 when something is damaged')
    .argument('[set]', 'SET or SET@POINT; every set when left out')
    .option('--data', 'read every block, not the index only')
    .action((at: string | undefined, options: { readonly data?: boolean }, command: Command) =>
      invoke(command, async (context) => {
        const depth = options.data === true ? 'data' : 'index';
        let findings = 0;
        for (const target of await targets(context, at)) {
          findings += await verify(context, target, depth);
        }
        return findings === 0 ? ExitCode.ok : ExitCode.damaged;
      }),
    );
}

async function targets(context: VerbContext, at: string | undefined): Promise<Target[]> {
  if (at === undefined) {
    const status = await context.api.json(statusSchema, { path: '/v1/status' });
    return status.sets.map(({ set }) => ({ set }));
  }
  if (!at.includes('@')) return [{ set: at }];
  const { set, selector } = parseSetPoint(at);
  return [{ set, point: formatPointSelector(selector) }];
}

/** Resolves with the number of findings. */
async function verify(
  context: VerbContext,
  { set, point }: Target,
  depth: 'index' | 'data',
): Promise<number> {
  const lines = context.api.lines(verifyLineSchema, {
    path: setPath(set, 'verify'),
    body: { depth, point },
    headersTimeoutMs: 0,
  });
  const progress = context.json ? undefined : new Progress(context.io, `verifying ${set}`);
  const total = { points: 0, entries: 0, bytes: 0, findings: 0 };
  try {
    for await (const line of lines) {
      if (line.type === 'finding') {
        total.findings += 1;
        if (context.json) await context.io.out(`${JSON.stringify({ ...line, set })}\n`);
        else if (total.findings <= FINDINGS_SHOWN) await context.io.out(formatFinding(set, line));
      } else {
        Object.assign(total, { entries: line.entries, bytes: line.bytes, points: line.pointsDone });
        progress?.update(line);
      }
    }
  } finally {
    progress?.stop();
  }
  await context.print({ type: 'verified', set, depth, ...total }, () => {
    const amount = `${formatCount(total.points)} points, ${formatCount(total.entries)} entries`;
    const data = depth === 'data' ? `, ${formatBytes(total.bytes)} read` : '';
    const found = total.findings === 0 ? 'all good' : `${formatCount(total.findings)} findings`;
    return `${set}: ${amount}${data}: ${found}\n`;
  });
  return total.findings;
}

function formatFinding(set: string, { point, path, block, message }: VerifyFinding): string {
  const at = path === undefined ? '' : ` ${path}`;
  const where = block === undefined ? '' : ` block ${block}`;
  return `${set}@${point}${at}${where}: ${message}\n`;
}
