/**
 * Runs the benchmarks named on the command line and prints what they measured. A missed target is a
 * result and ends with 0; something that came out wrong is a failure and does not.
 */
import { parseArgs } from 'node:util';
import { AfterimageError, asAfterimageError, ExitCode, messageOf } from '../shared/errors.js';
import type { Bench, Catalogue } from './catalogue.js';
import type { Figure } from './figure.js';
import { describeMachine } from './machine.js';
import { formatJson, formatReport } from './report.js';
import type { RunOptions } from './run-options.js';

/** Where a run prints to. */
export interface RunnerIo {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

const ALL = 'all';
const USAGE =
  'usage: npm run -s bench -- NAME [--json] [--scale FACTOR] [--rounds COUNT] [options of its own]\n\n';

/** Returns the exit code. */
export async function runBenches(
  args: readonly string[],
  benches: Catalogue,
  io: RunnerIo,
): Promise<number> {
  try {
    const asked = parse(args, benches);
    if (asked === undefined) {
      io.out(USAGE + listBenches(benches));
      return ExitCode.ok;
    }
    const tell = asked.json ? {} : { tell: io.out };
    const figures = await measure({ ...asked, given: { ...asked.given, ...tell } }, benches, io);
    const report = { bench: asked.name, machine: describeMachine(), figures };
    io.out(asked.json ? formatJson(report) : formatReport(report));
    return ExitCode.ok;
  } catch (cause) {
    return explain(cause, io);
  }
}

function explain(cause: unknown, io: RunnerIo): number {
  const error = asAfterimageError(cause);
  io.err(`${error.message} (${error.code})\n${error.hint}\n`);
  if (error.cause instanceof Error) io.err(`${error.cause.stack ?? messageOf(error.cause)}\n`);
  return error.exit;
}

interface Asked {
  readonly name: string;
  readonly json: boolean;
  readonly given: Partial<RunOptions>;
}

/** Undefined when only the list was asked for. */
function parse(args: readonly string[], benches: Catalogue): Asked | undefined {
  const { values, positionals } = parseOptions(args, benches);
  const [name, ...words] = positionals;
  if (name === undefined) return undefined;
  if (name !== ALL && !Object.hasOwn(benches, name)) {
    throw invalid(`there is no benchmark ${name}; there are ${Object.keys(benches).join(', ')}`);
  }
  const bench = benches[name];
  if (words.length > 0 && bench?.words === undefined) throw invalid('give one benchmark, or all');
  const own = Object.entries(values.own);
  const strange = own.find(([option]) => bench?.options?.[option] === undefined);
  if (strange !== undefined) throw invalid(`${name} has no option --${strange[0]}`);
  const scale = values.scale === undefined ? {} : { scale: positive(values.scale) };
  const rounds = values.rounds === undefined ? {} : { rounds: Math.ceil(positive(values.rounds)) };
  const given = own.length === 0 ? {} : { given: values.own };
  const spoken = words.length === 0 ? {} : { words };
  return { name, json: values.json, given: { ...scale, ...rounds, ...given, ...spoken } };
}

interface Values {
  readonly json: boolean;
  readonly scale?: string;
  readonly rounds?: string;
  /** Options of benchmarks. */
  readonly own: Readonly<Record<string, string>>;
}

function parseOptions(
  args: readonly string[],
  benches: Catalogue,
): { readonly values: Values; readonly positionals: readonly string[] } {
  const names = Object.values(benches).flatMap(({ options = {} }) => Object.keys(options));
  const ofBenches = Object.fromEntries(names.map((name) => [name, { type: 'string' as const }]));
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        ...ofBenches,
        json: { type: 'boolean', default: false },
        scale: { type: 'string' },
        rounds: { type: 'string' },
      },
    });
    const { json, scale, rounds, ...rest } = values;
    const own = Object.entries(rest).filter((pair): pair is [string, string] => {
      return typeof pair[1] === 'string';
    });
    return {
      values: {
        json,
        ...(scale === undefined ? {} : { scale }),
        ...(rounds === undefined ? {} : { rounds }),
        own: Object.fromEntries(own),
      },
      positionals,
    };
  } catch (cause) {
    throw invalid(messageOf(cause), cause);
  }
}

function positive(text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw invalid(`${JSON.stringify(text)} is no number above 0`);
}

function invalid(message: string, cause?: unknown): AfterimageError {
  return new AfterimageError('argument-invalid', message, cause === undefined ? {} : { cause });
}

/** The figures of one benchmark, or of all with each one's name in front. */
async function measure(asked: Asked, benches: Catalogue, io: RunnerIo): Promise<Figure[]> {
  const chosen = Object.entries(benches).filter(([name]) => [name, ALL].includes(asked.name));
  const figures: Figure[] = [];
  for (const [name, bench] of chosen) {
    const options = { ...bench.usual, ...asked.given };
    io.err(`${name}: ${options.rounds} rounds at scale ${options.scale}\n`);
    const measured = await bench.run(options);
    const prefix = asked.name === ALL ? `${name}.` : '';
    figures.push(...measured.map((figure) => ({ ...figure, name: prefix + figure.name })));
  }
  return figures;
}

function listBenches(benches: Catalogue): string {
  const line = ([name, { about, usual, words, options = {} }]: [string, Bench]): string => {
    const own = Object.entries(options).map(([option, what]) => `      --${option}  ${what}\n`);
    const spoken = words === undefined ? '' : `      ${words}\n`;
    const told = `(${usual.rounds} rounds at scale ${usual.scale})`;
    return `  ${name.padEnd(8)} ${about} ${told}\n${spoken}${own.join('')}`;
  };
  return `${Object.entries(benches).map(line).join('')}  ${ALL.padEnd(8)} one after the other\n`;
}
