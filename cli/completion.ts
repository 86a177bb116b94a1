/**
 * Completion scripts for bash, zsh and fish, made from the program's own description: verbs, their
 * subverbs and options. Sets and points are not asked for: a completion must answer at once.
 */
import type { Command, Option } from 'commander';

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

export function completionScript(program: Command, shell: Shell): string {
  const places = placesOf(program);
  if (shell === 'bash') return bashScript(program.name(), places);
  if (shell === 'zsh') return zshScript(program.name(), places);
  return fishScript(program.name(), places);
}

/** One place on the command line, after these words: what may come next. */
interface Place {
  /** Verb and subverb, joined by a blank; '' after the program's name. */
  readonly words: string;
  readonly verbs: readonly Said[];
  readonly options: readonly Said[];
}

interface Said {
  readonly word: string;
  readonly summary: string;
  /** The option takes a value, which is a file for all that the shell knows. */
  readonly takes: boolean;
}

function placesOf(program: Command): readonly Place[] {
  const shared = program.options.flatMap(toSaid);
  const help: Said = { word: '--help', summary: 'print what a verb takes', takes: false };
  const walk = (command: Command, words: string): Place[] => {
    const own: Place = {
      words,
      verbs: command.commands.map((below) => ({
        word: below.name(),
        summary: below.summary(),
        takes: false,
      })),
      options: [...(command === program ? [] : command.options.flatMap(toSaid)), ...shared, help],
    };
    return [
      own,
      ...command.commands.flatMap((below) => walk(below, `${words} ${below.name()}`.trim())),
    ];
  };
  return walk(program, '');
}

function toSaid(option: Option): Said[] {
  if (option.hidden || option.long == null) return [];
  const takes = option.required || option.optional;
  return [{ word: option.long, summary: option.description, takes }];
}

function bashScript(name: string, places: readonly Place[]): string {
  const cases = places.map(({ words, verbs, options }) => {
    const next = [...verbs, ...options].map(({ word }) => word).join(' ');
    return `    '${words}') next='${next}' ;;`;
  });
  const branches = places.filter(({ verbs }) => verbs.length > 0);
  return `# bash completion of ${name}, made by: ${name} completion bash
_${name}() {
  local current previous next='' words='' word
  current=\${COMP_WORDS[COMP_CWORD]}
  previous=\${COMP_WORDS[COMP_CWORD - 1]}
  case $previous in
    ${valueOptions(places).join(' | ')})
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
  esac
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$words|$word" in
${branches
  .map(({ words, verbs }) => `      ${verbs.map(({ word }) => `'${words}|${word}'`).join(' | ')})`)
  .map((line) => `${line} words="\${words:+$words }$word" ;;`)
  .join('\n')}
    esac
  done
  case $words in
${cases.join('\n')}
  esac
  mapfile -t COMPREPLY < <(compgen -W "$next" -- "$current")
  if [ "\${#COMPREPLY[@]}" -eq 0 ]; then mapfile -t COMPREPLY < <(compgen -f -- "$current"); fi
}
complete -o filenames -F _${name} ${name}
`;
}

function zshScript(name: string, places: readonly Place[]): string {
  const cases = places.map(({ words, verbs, options }) => {
    const said = [...verbs, ...options].map(({ word, summary }) =>
      quote(`${colons(word)}:${colons(summary)}`),
    );
    return `    ${quote(words)})\n      next=(\n        ${said.join('\n        ')}\n      )\n      ;;`;
  });
  const known = places.filter(({ words }) => words !== '').map(({ words }) => quote(words));
  return `#compdef ${name}
# zsh completion of ${name}, made by: ${name} completion zsh
_${name}() {
  local -a next known
  local place='' word
  known=(${known.join(' ')})
  case \${words[CURRENT-1]} in
    ${valueOptions(places).join('|')}) _files; return ;;
  esac
  for word in \${words[2,CURRENT-1]}; do
    if (( \${known[(Ie)\${place:+$place }$word]} )); then place="\${place:+$place }$word"; fi
  done
  case $place in
${cases.join('\n')}
  esac
  _describe -t words '${name}' next
  _files
}
_${name} "$@"
`;
}

function fishScript(name: string, places: readonly Place[]): string {
  const first = places.find(({ words }) => words === '')?.verbs ?? [];
  const lines = [`# fish completion of ${name}, made by: ${name} completion fish`];
  const verbWords = first.map(({ word }) => word).join(' ');
  for (const { words, verbs, options } of places) {
    const seen = words.split(' ').filter((word) => word !== '');
    const when =
      seen.length === 0
        ? `not __fish_seen_subcommand_from ${verbWords}`
        : seen.map((word) => `__fish_seen_subcommand_from ${word}`).join('; and ');
    for (const { word, summary } of verbs) {
      lines.push(`complete -c ${name} -n ${quote(when)} -a ${word} -d ${quote(summary)}`);
    }
    for (const { word, summary, takes } of options) {
      const value = takes ? ' -r' : '';
      lines.push(
        `complete -c ${name} -n ${quote(when)} -l ${word.replace(/^--/, '')}${value} -d ${quote(summary)}`,
      );
    }
  }
  return `${lines.join('\n')}\n`;
}

function valueOptions(places: readonly Place[]): readonly string[] {
  const taking = places.flatMap(({ options }) => options.filter(({ takes }) => takes));
  return [...new Set(taking.map(({ word }) => word))].sort();
}

/** In single quotes, as all three shells read them. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function colons(text: string): string {
  return text.replaceAll(':', '\\:');
}
