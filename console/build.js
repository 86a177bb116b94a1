/** Bundles the console into dist/console: one page, one script, one style sheet, nothing from elsewhere. */
import { copyFileSync, mkdirSync } from 'node:fs';
import { build } from 'esbuild';

const from = (name) => new URL(name, import.meta.url).pathname;
const to = (name) => new URL(`../dist/console/${name}`, import.meta.url).pathname;

mkdirSync(to(''), { recursive: true });
await build({
  entryPoints: { app: from('main.tsx') },
  outdir: to(''),
  bundle: true,
  format: 'esm',
  target: 'es2022',
  minify: true,
  sourcemap: true,
  jsx: 'automatic',
  jsxImportSource: 'preact',
  logLevel: 'warning',
});
await build({ entryPoints: [from('app.css')], outdir: to(''), bundle: true, minify: true });
copyFileSync(from('index.html'), to('index.html'));
