/** The manual page, afterimage(1), in roff, made from the program's own description and nothing else. */
import type { Argument, Command, Option } from 'commander';
import { ExitCode } from '../shared/errors.js';

export interface ManPageOf {
  readonly program: Command;
  readonly version: string;
}

export function manPage({ program, version }: ManPageOf): string {
  const name = program.name();
  const lines = [
    `.TH ${name.toUpperCase()} 1 "" "${escape(`${name} ${version}`)}" "User Commands"`,
    '.SH NAME',
    `${escape(name)} \\- ${escape(lowerFirst(program.description().replace(/\.$/, '')))}`,
    '.SH SYNOPSIS',
    `.B ${escape(name)}`,
    '.I VERB',
    '.RI [ OPTIONS ]',
    '.SH OPTIONS',
    'Every verb takes these:',
    ...program.options.flatMap(optionLines),
    ...['.TP', bold('--json'), escape('print JSON, one object a line')],
    '.SH VERBS',
    ...program.commands.flatMap((verb) => verbLines(verb, '')),
    '.SH EXIT STATUS',
    ...Object.entries(ExitCode).flatMap(([word, code]) => [
      '.TP',
      bold(String(code)),
      escape(exitText(word)),
    ]),
    '.SH ENVIRONMENT',
    ...environment.flatMap(([variable, text]) => ['.TP', bold(variable), escape(text)]),
    '.SH FILES',
    ...files.flatMap(([file, text]) => ['.TP', `.I ${escape(file)}`, escape(text)]),
  ];
  return `${lines.join('\n')}\n`;
}

const environment: readonly (readonly [string, string])[] = [
  ['AFTERIMAGE_URL', "The replica's API."],
  ['AFTERIMAGE_TOKEN', 'The token that the API asks for.'],
  [
    'AFTERIMAGE_DATA',
    "The replica's data folder, where URL and token are found on its own machine.",
  ],
];

const files: readonly (readonly [string, string])[] = [
  ['/etc/afterimage/replica.yaml', 'Configuration of the replica, where the package is installed.'],
  ['/etc/afterimage/agent.yaml', 'Configuration of the agent, where the package is installed.'],
];

function verbLines(command: Command, above: string): string[] {
  const name = `${above} ${command.name()}`.trim();
  const usage = [name, ...command.registeredArguments.map(argumentText)].join(' ');
  return [
    `.SS "${escape(usage)}"`,
    escape(command.description()),
    ...command.registeredArguments
      .filter(({ description }) => description !== '')
      .flatMap((argument) => [
        '.TP',
        `.I ${escape(argument.name())}`,
        escape(argument.description),
      ]),
    ...command.options
      .filter(({ long, hidden }) => long !== '--json' && !hidden)
      .flatMap(optionLines),
    ...command.commands.flatMap((below) => verbLines(below, name)),
  ];
}

function argumentText(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}

function optionLines(option: Option): string[] {
  const standard = option.defaultValue as unknown;
  const shown =
    typeof standard === 'string' || typeof standard === 'number'
      ? ` (${String(standard)} unless told)`
      : '';
  return ['.TP', bold(option.flags), escape(`${option.description}${shown}`)];
}

function exitText(word: string): string {
  return exitTexts[word as keyof typeof ExitCode];
}

const exitTexts: Readonly<Record<keyof typeof ExitCode, string>> = {
  ok: 'Done.',
  mismatch: 'Something compared, verified or restored did not match.',
  usage: 'Arguments or configuration were wrong; nothing was done.',
  notFound: 'The set, point, path or job named does not exist.',
  unavailable: 'Broker, replica or agent could not be reached or refused; worth trying again.',
  damaged: 'Stored data does not match its digests.',
  bug: 'A defect of this program.',
};

function bold(text: string): string {
  return `.B "${escape(text)}"`;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/** Text that roff prints as it is: no escapes, no requests at the beginning of a line. */
function escape(text: string): string {
  const plain = text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll('"', '\\(dq');
  return /^[.']/.test(plain) ? `\\&${plain}` : plain;
}
