/** The project's own files, as a clean clone has them, and what its sources refer to. */
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
/** What builds and runs leave behind. */
const left = new Set([
  '.git',
  '.afterimage',
  'node_modules',
  'dist',
  'build',
  'coverage',
  'assembly/out',
]);

/** Paths from the project's folder, `/` between components. */
export function projectFiles(folder = ''): string[] {
  return fs.readdirSync(path.join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const name = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (left.has(entry.name) || left.has(name)) return [];
    return entry.isDirectory() ? projectFiles(name) : [name];
  });
}

export function readProjectFile(file: string): string {
  return fs.readFileSync(path.join(root, file), 'utf8');
}

export function readProjectJson(file: string): unknown {
  return JSON.parse(readProjectFile(file));
}

export function projectFileExists(file: string): boolean {
  return fs.existsSync(path.join(root, file));
}

/** Sources that a source names: by import, or as the path of a file to run. `x.js` is made of x.ts or x.tsx. */
export function referredSources(file: string): string[] {
  const text = readProjectFile(file);
  return [...text.matchAll(/'(\.{1,2}\/[^'\n]+)\.js'/g)]
    .map((match) => path.posix.normalize(path.posix.join(path.posix.dirname(file), match[1] ?? '')))
    .map((target) => target.replace(/^dist\//, ''))
    .map((target) => (projectFileExists(`${target}.tsx`) ? `${target}.tsx` : `${target}.ts`));
}
