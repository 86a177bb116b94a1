/** Relative links of a document that lead nowhere. Headings are named as GitHub names them. */
import path from 'node:path';
import { projectFileExists, readProjectFile } from './project-files.js';

/** Each as `document: link`. */
export function brokenLinks(document: string): string[] {
  return linksOf(withoutCode(readProjectFile(document)))
    .filter((link) => !/^[a-z]+:/.test(link))
    .filter((link) => !leadsSomewhere(document, link))
    .map((link) => `${document}: ${link}`);
}

function linksOf(text: string): string[] {
  return [...text.matchAll(/\]\(([^()\s]+)\)/g)].map((match) => match[1] ?? '');
}

function leadsSomewhere(document: string, link: string): boolean {
  const [file = '', heading] = link.split('#');
  const target =
    file === ''
      ? document
      : path.posix.normalize(path.posix.join(path.posix.dirname(document), file));
  if (target.startsWith('../') || !projectFileExists(target)) return false;
  return heading === undefined || headingsOf(target).has(heading);
}

function headingsOf(document: string): Set<string> {
  const lines = withoutCode(readProjectFile(document), { keepInline: true }).split('\n');
  const slugs = new Set<string>();
  for (const line of lines) {
    const title = /^#{1,6} +(.*)$/.exec(line)?.[1];
    if (title === undefined) continue;
    const slug = slugOf(title);
    let unique = slug;
    for (let n = 1; slugs.has(unique); n += 1) unique = `${slug}-${n}`;
    slugs.add(unique);
  }
  return slugs;
}

function slugOf(title: string): string {
  return title
    .trim()
    .toLowerCase()
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-');
}

function withoutCode(
  text: string,
  options: { readonly keepInline: boolean } = { keepInline: false },
): string {
  const outside = text.replace(/^```[\s\S]*?^```$/gm, '');
  return options.keepInline ? outside : outside.replace(/`[^`\n]*`/g, '');
}
