/** `certificate export`: all certificates of a set as a file that an auditor verifies without a replica. */
import { createWriteStream, renameSync } from 'node:fs';
import { resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import { exportLineSchema, headSchema } from '../../shared/certificate/certificate.js';
import { ExitCode } from '../../shared/errors.js';
import { setPath } from '../api-client.js';
import { addSubverb, type Invoke, type VerbContext } from '../verb.js';

export function addCertificateExport(program: Command, invoke: Invoke): void {
  addSubverb(program, 'export', 'Write all certificates of a set, for verification elsewhere')
    .argument('<set>', 'also one that is gone')
    .option('--out <file>', 'file to write; standard output when left out')
    .action((set: string, options: { readonly out?: string }, command: Command) =>
      invoke(command, async (context) => {
        if (options.out === undefined) await print(context, set);
        else await write(context, set, resolve(context.io.folder, options.out));
        return ExitCode.ok;
      }),
    );
}

async function print(context: VerbContext, set: string): Promise<void> {
  for await (const line of exportLines(context, set)) {
    await context.io.out(`${JSON.stringify(line)}\n`);
  }
}

/** The file appears when it is whole. */
async function write(context: VerbContext, set: string, file: string): Promise<void> {
  const partial = `${file}.new`;
  let entries = 0;
  let head = '';
  const texts = async function* (): AsyncGenerator<string> {
    for await (const line of exportLines(context, set)) {
      if (line.type === 'entry') entries += 1;
      if (line.type === 'head') head = headSchema.parse(JSON.parse(line.text)).head;
      yield `${JSON.stringify(line)}\n`;
    }
  };
  await pipeline(texts, createWriteStream(partial));
  renameSync(partial, file);
  await context.print({ type: 'exported', set, file, entries, head }, () => {
    return `${entries} entries of ${set} are in ${file}\nhead ${head}\n`;
  });
}

function exportLines(
  context: VerbContext,
  set: string,
): ReturnType<typeof context.api.lines<typeof exportLineSchema>> {
  return context.api.lines(exportLineSchema, { path: setPath(set, 'certificates') });
}
