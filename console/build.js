/** Bundles the console into dist/console: one page, one script, one style sheet, nothing from elsewhere. */
import { copyFileSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

const from = (name) => new URL(name, import.meta.url).pathname;
const to = (name) => new URL(`../dist/console/${name}`, import.meta.url).pathname;
/** Built beside, and put in place whole: a replica may be serving these files. */
const beside = new URL(`../dist/console-${process.pid}/`, import.meta.url).pathname;

mkdirSync(to(''), { recursive: true });
mkdirSync(beside, { recursive: true });
process.once('exit', () => rmSync(beside, { recursive: true, force: true }));
await build({
  entryPoints: { app: from('main.tsx') },
  outdir: beside,
  bundle: true,
  format: 'esm',
  target: 'es2022',
  minify: true,
  sourcemap: true,
  jsx: 'automatic',
  jsxImportSource: 'preact',
  logLevel: 'warning',
});
await build({ entryPoints: [from('app.css')], outdir: beside, bundle: true, minify: true });
copyFileSync(from('index.html'), `${beside}index.html`);
for (const name of readdirSync(beside)) renameSync(beside + name, to(name));
