/**
 * Reads a YAML file and checks it against a schema. Whatever is wrong is said with file, line, key,
 * what was found and what was expected; all of it at once.
 */
import { readFileSync } from 'node:fs';
import { isMap, isNode, isPair, isScalar, LineCounter, parseDocument, type Document } from 'yaml';
import type { z } from 'zod';
import { AfterimageError } from '../errors.js';
import { knownKeys, nearestKey } from './config-keys.js';

/** One thing that is wrong with a configuration. */
export interface ConfigFault {
  readonly line: number;
  readonly key: string;
  readonly message: string;
}

/** @throws AfterimageError `config-unreadable`, `config-invalid` */
export function readConfig<T>(path: string, schema: z.ZodType<T>): T {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new AfterimageError('config-unreadable', `${path} cannot be read`, {
      cause: error,
      facts: { path },
    });
  }
  return parseConfig({ path, text }, schema);
}

/** `path` is only named in messages. @throws AfterimageError `config-invalid` */
export function parseConfig<T>(
  file: { readonly path: string; readonly text: string },
  schema: z.ZodType<T>,
): T {
  const lines = new LineCounter();
  const document = parseDocument(file.text, { lineCounter: lines, prettyErrors: false });
  const syntax = document.errors.map((error) => ({
    line: lines.linePos(error.pos[0]).line,
    key: '',
    message: `not YAML: ${error.message}`,
  }));
  if (syntax.length > 0) throw invalid(file.path, syntax);
  const value: unknown = document.toJS() ?? {};
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const faults = flatten(result.error.issues).flatMap((issue) =>
    toFaults(issue, { document, lines, value, schema }),
  );
  throw invalid(file.path, faults);
}

function invalid(path: string, faults: readonly ConfigFault[]): AfterimageError {
  const ordered = [...faults].sort((a, b) => a.line - b.line);
  const said = ordered.map(({ line, key, message }) =>
    key === '' ? `${path}:${line}: ${message}` : `${path}:${line}: ${key}: ${message}`,
  );
  const first = ordered[0];
  return new AfterimageError('config-invalid', said.join('\n'), {
    facts: { path, line: first?.line ?? 1, key: first?.key ?? '' },
  });
}

type Issue = z.core.$ZodIssue;

/** Of a union's branches, the issues of the one that came nearest. */
function flatten(issues: readonly Issue[], prefix: readonly PropertyKey[] = []): Issue[] {
  return issues.flatMap((issue) => {
    const path = [...prefix, ...issue.path];
    if (issue.code !== 'invalid_union') return [{ ...issue, path }];
    const branches = issue.errors.map((branch) => flatten(branch, path));
    const deepest = branches.filter((branch) =>
      branch.every(
        (inner) => inner.path.length > path.length || inner.code === 'unrecognized_keys',
      ),
    );
    const nearest = deepest.sort((a, b) => strangeness(a) - strangeness(b))[0];
    const message = branches.length === 0 ? issue.message : branchesExpected(branches);
    return nearest ?? [{ ...issue, path, errors: [], message }];
  });
}

/** A branch that does not know a key is further off than one that dislikes a value. */
function strangeness(branch: readonly Issue[]): number {
  const unknown = branch.filter((issue) => issue.code === 'unrecognized_keys').length;
  return branch.length + unknown * 100;
}

function branchesExpected(branches: readonly Issue[][]): string {
  const said = branches.flatMap((branch) => branch.map((issue) => expectedBy(issue)));
  return [...new Set(said)].join(' or ');
}

function expectedBy(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return article(issue.expected);
    case 'invalid_value':
      return issue.values.map((value) => JSON.stringify(value)).join(', ');
    case 'too_small':
      return `at least ${String(issue.minimum)}${issue.origin === 'array' ? ' entry' : ''}`;
    case 'too_big':
      return `at most ${String(issue.maximum)}`;
    default:
      return issue.message;
  }
}

const articles: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'keys with values',
  array: 'a list',
};

function article(expected: string): string {
  return articles[expected] ?? expected;
}

interface Checked {
  readonly document: Document;
  readonly lines: LineCounter;
  readonly value: unknown;
  readonly schema: z.core.$ZodType;
}

function toFaults(issue: Issue, checked: Checked): ConfigFault[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => unknownKey(issue.path, key, checked));
  }
  const found = valueAt(checked.value, issue.path);
  const expected = expectedBy(issue);
  const message =
    found === undefined
      ? `is missing; expected ${expected}`
      : `found ${JSON.stringify(found)}, expected ${expected}`;
  return [{ line: lineOf(issue.path, checked), key: keyText(issue.path), message }];
}

function unknownKey(place: readonly PropertyKey[], key: string, checked: Checked): ConfigFault {
  const known = knownKeys(checked.schema, place);
  const near = nearestKey(key, known);
  const hint = near === undefined ? `known are ${known.join(', ')}` : `did you mean ${near}?`;
  return {
    line: keyLine(place, key, checked) ?? lineOf(place, checked),
    key: keyText([...place, key]),
    message: `unknown key; ${hint}`,
  };
}

function keyText(path: readonly PropertyKey[]): string {
  const text = path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`))
    .join('');
  return text.startsWith('.') ? text.slice(1) : text;
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let at = value;
  for (const step of path) {
    if (typeof at !== 'object' || at === null) return undefined;
    at = (at as Record<PropertyKey, unknown>)[step];
  }
  return at;
}

/** Line of a value, or of what it is missing from. */
function lineOf(path: readonly PropertyKey[], checked: Checked): number {
  for (let length = path.length; length > 0; length -= 1) {
    const parent = path.slice(0, length - 1);
    const last = path[length - 1];
    const line =
      typeof last === 'string'
        ? keyLine(parent, last, checked)
        : nodeLine(path.slice(0, length), checked);
    if (line !== undefined) return line;
  }
  return 1;
}

function nodeLine(path: readonly PropertyKey[], { document, lines }: Checked): number | undefined {
  const node = document.getIn(path, true);
  return isNode(node) && node.range ? lines.linePos(node.range[0]).line : undefined;
}

/** Line of a key, which is where an operator looks. */
function keyLine(
  place: readonly PropertyKey[],
  key: string,
  { document, lines }: Checked,
): number | undefined {
  const map = place.length === 0 ? document.contents : document.getIn(place, true);
  if (!isMap(map)) return undefined;
  const pair = map.items.find(
    (item) => isPair(item) && isScalar(item.key) && item.key.value === key,
  );
  if (!isScalar(pair?.key) || !pair.key.range) return undefined;
  return lines.linePos(pair.key.range[0]).line;
}
