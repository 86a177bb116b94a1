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
const USAGE = 'usage: npm run -s bench -- NAME [--json] [--scale FACTOR] [--rounds COUNT]\n\n';

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
    const figures = await measure(asked, benches, io);
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
  const { values, positionals } = parseOptions(args);
  const [name, ...more] = positionals;
  if (name === undefined) return undefined;
  if (more.length > 0) throw invalid('give one benchmark, or all');
  if (name !== ALL && !Object.hasOwn(benches, name)) {
    throw invalid(`there is no benchmark ${name}; there are ${Object.keys(benches).join(', ')}`);
  }
  const scale = values.scale === undefined ? {} : { scale: positive(values.scale) };
  const rounds = values.rounds === undefined ? {} : { rounds: Math.ceil(positive(values.rounds)) };
  return { name, json: values.json, given: { ...scale, ...rounds } };
}

function parseOptions(args: readonly string[]): {
  values: { json: boolean; scale?: string; rounds?: string };
  positionals: string[];
} {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        json: { type: 'boolean', default: false },
        scale: { type: 'string' },
        rounds: { type: 'string' },
      },
    });
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
  const line = ([name, { about, usual }]: [string, Bench]): string =>
    `  ${name.padEnd(6)} ${about} (${usual.rounds} rounds at scale ${usual.scale})\n`;
  return `${Object.entries(benches).map(line).join('')}  ${ALL.padEnd(6)} one after the other\n`;
}
