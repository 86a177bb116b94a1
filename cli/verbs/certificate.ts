/** `certificate`: signed proof of what each point held, that nothing changed since, and what was removed. */
import type { Command } from 'commander';
import { certificateKeySchema } from '../../shared/api/certificates.js';
import { ExitCode } from '../../shared/errors.js';
import { addSubverb, addVerb, type Invoke } from '../verb.js';
import { addCertificateExport } from './certificate-export.js';
import { addCertificateShow } from './certificate-show.js';
import { addCertificateVerify } from './certificate-verify.js';

export function addCertificate(program: Command, invoke: Invoke): void {
  const verb = addVerb(program, 'certificate', 'Show, export and verify the certificates of points')
    .usage('<show|export|verify|key> [options]')
    .helpCommand(false);
  addCertificateShow(verb, invoke);
  addCertificateExport(verb, invoke);
  addCertificateVerify(verb, invoke);
  addKey(verb, invoke);
}

function addKey(program: Command, invoke: Invoke): void {
  addSubverb(program, 'key', 'Print the public key that certificates are verified with')
    .option('--replace', 'make a new key; the old one signs in every chain that it takes over')
    .action((options: { readonly replace?: boolean }, command: Command) =>
      invoke(command, async (context) => {
        const answer = await context.api.json(
          certificateKeySchema,
          options.replace === true
            ? { path: '/v1/certificate-key/replace', body: {} }
            : { path: '/v1/certificate-key' },
        );
        await context.print(answer, () => `${answer.key}\n`);
        return ExitCode.ok;
      }),
    );
}
