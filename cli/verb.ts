/** What every verb is run with: the world, the kind of output, and the API when it is asked for. */
import type { Command } from 'commander';
import type { PointDetail, PointJson } from '../shared/api/points.js';
import { pointDetailSchema } from '../shared/api/points.js';
import { formatPointSelector, parseSetPoint } from '../shared/point-selector.js';
import { ApiClient, setPath } from './api-client.js';
import { type Connection, type ConnectionOptions, findConnection } from './connection.js';
import type { Io } from './io.js';

interface GlobalOptions extends ConnectionOptions {
  readonly json?: boolean;
}

export class VerbContext {
  readonly io: Io;
  readonly json: boolean;
  readonly #options: GlobalOptions;
  #api: ApiClient | undefined;

  constructor(io: Io, options: GlobalOptions) {
    this.io = io;
    this.json = options.json === true;
    this.#options = options;
  }

  get connection(): Connection {
    return findConnection(this.#options, this.io);
  }

  get api(): ApiClient {
    this.#api ??= new ApiClient(this.connection, this.io.signal);
    return this.#api;
  }

  /** One JSON object on a line, or text. */
  async print(object: object, text: () => string): Promise<void> {
    await this.io.out(this.json ? `${JSON.stringify(object)}\n` : text());
  }

  /** The point that `SET@POINT` names. */
  async findPoint(text: string): Promise<PointDetail> {
    const { set, selector } = parseSetPoint(text);
    const path = setPath(set, 'points', formatPointSelector(selector));
    return this.api.json(pointDetailSchema, { path });
  }

  async close(): Promise<void> {
    await this.#api?.close();
  }
}

/** Runs a verb's body and keeps its exit code. */
export type Invoke = (
  command: Command,
  body: (context: VerbContext) => Promise<number>,
) => Promise<void>;

/** Adds a verb with the option that all have. */
export function addVerb(program: Command, usage: string, summary: string): Command {
  return program
    .command(usage)
    .summary(summary)
    .description(summary)
    .option('--json', 'print JSON, one object a line');
}

/** Adds a verb below another, which has the option that all have. */
export function addSubverb(verb: Command, usage: string, summary: string): Command {
  return verb
    .command(usage)
    .summary(summary)
    .description(summary)
    .helpOption('--help', 'print this');
}

/** `shop@12 of 2031-05-04 13:30:05` without the time's formatting. */
export function pointName(set: string, { point }: PointJson): string {
  return `${set}@${point}`;
}
