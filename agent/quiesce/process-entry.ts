/** Where the compiled entry file of a helper process of this room lies. */
import { fileURLToPath } from 'node:url';

/**
 * Beside this file when it runs compiled; in dist/ when the sources themselves run, as they do
 * under the tests, since Node cannot run TypeScript.
 */
export function processEntry(name: string): string {
  const compiled = import.meta.url.endsWith('.js');
  const folder = compiled ? './' : '../../dist/agent/quiesce/';
  return fileURLToPath(new URL(`${folder}${name}.js`, import.meta.url));
}
