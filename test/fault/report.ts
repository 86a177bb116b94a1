/**
 * The published record of the fault campaigns, docs/faults.md: written, read back and merged, so that
 * a run of some campaigns leaves what was measured of the others as it stands.
 */
import { formatTable } from '../../cli/table.js';
import type { Outcome } from './campaign.js';

/** What became of one campaign, and of what it was measured. */
export interface CampaignRecord {
  readonly campaign: string;
  /** YYYY-MM-DD, UTC. */
  readonly date: string;
  readonly commit: string;
  readonly seed: number;
  /** Share of the full amount that was tried. */
  readonly budget: number;
  /** What kind of machine, without its name. */
  readonly machine: string;
  /** An error ended the campaign: what it tried until then stands in the rows. */
  readonly cutShort: boolean;
  readonly outcomes: readonly Outcome[];
}

const HEAD = `# Faults

What was done to the product, and what became of the data. \`npm run test:fault -- --minutes N --seed S\`
runs the campaigns of \`test/fault/campaigns\` and writes this page; \`--only NAME\` runs some of them and
leaves the other rows as they were measured. Do not edit it.

- *tried*: how often. *survived*: afterwards all that had been acknowledged was there and right, and the
  product went on.
- *lost*: acknowledged syncs or points that were gone. *wrong*: reads that gave other bytes or other
  metadata than those of their point, or input that was not refused as it should be.
- A row that tried nothing says why.
`;
const CUT_SHORT = 'An error ended this campaign early; its rows count what was tried until then.';
const TITLES = ['kind of fault', 'tried', 'survived', 'lost', 'wrong', 'skipped because'];
const measuredLine =
  /^Measured (?<date>\S+) at commit (?<commit>.+), seed (?<seed>\d+), (?<budget>\S+) of the full amount, on (?<machine>.+)\.$/;

/** Counts of two runs of one campaign with different seeds, kind by kind. */
export function addOutcomes(one: readonly Outcome[], other: readonly Outcome[]): Outcome[] {
  const sums = new Map(one.map((outcome) => [outcome.kind, outcome]));
  for (const outcome of other) {
    const { kind, skipped } = outcome;
    const before = sums.get(kind) ?? { kind, tried: 0, survived: 0, lost: 0, wrong: 0 };
    const tried = before.tried + outcome.tried;
    const why = tried > 0 ? undefined : (skipped ?? before.skipped);
    sums.set(kind, {
      kind,
      tried,
      survived: before.survived + outcome.survived,
      lost: before.lost + outcome.lost,
      wrong: before.wrong + outcome.wrong,
      ...(why === undefined ? {} : { skipped: why }),
    });
  }
  return [...sums.values()];
}

/** Nothing was lost or wrong, and the product went on every time. */
export function isSurvived({ tried, survived, lost, wrong }: Outcome): boolean {
  return survived === tried && lost === 0 && wrong === 0;
}

/** Every try was survived and every campaign came to its end. */
export function isClean(records: readonly CampaignRecord[]): boolean {
  return records.every(({ cutShort, outcomes }) => !cutShort && outcomes.every(isSurvived));
}

/** Those measured now, and those of before that were not measured again, by name. */
export function mergeRecords(
  before: readonly CampaignRecord[],
  measured: readonly CampaignRecord[],
): CampaignRecord[] {
  const records = new Map([...before, ...measured].map((record) => [record.campaign, record]));
  return [...records.values()].sort((a, b) => (a.campaign < b.campaign ? -1 : 1));
}

/** One table of all campaigns, for a terminal. */
export function formatOutcomes(records: readonly CampaignRecord[]): string {
  const rows = records.flatMap(({ campaign, cutShort, outcomes }) => [
    ...outcomes.map((outcome) => ({ campaign, ...outcome })),
    ...(cutShort
      ? [
          {
            campaign,
            kind: 'ended early, by an error',
            tried: '',
            survived: '',
            lost: '',
            wrong: '',
          },
        ]
      : []),
  ]);
  const count = (key: 'tried' | 'survived' | 'lost' | 'wrong') =>
    ({ title: key, align: 'right', value: (row: Row) => String(row[key]) }) as const;
  type Row = (typeof rows)[number] & { readonly skipped?: string };
  return formatTable<Row>(
    [
      { title: 'campaign', value: ({ campaign }) => campaign },
      { title: 'kind of fault', value: ({ kind }) => kind },
      count('tried'),
      count('survived'),
      count('lost'),
      count('wrong'),
      { title: 'skipped because', value: ({ skipped }) => skipped ?? '' },
    ],
    rows,
  );
}

/** The page. */
export function formatRecords(records: readonly CampaignRecord[]): string {
  return [HEAD, ...records.map(formatSection)].join('\n');
}

function formatSection(record: CampaignRecord): string {
  const { campaign, date, commit, seed, budget, machine, cutShort, outcomes } = record;
  const lines = [
    `## ${campaign}`,
    '',
    `Measured ${date} at commit ${commit}, seed ${seed}, ${formatBudget(budget)} of the full amount, on ${machine}.`,
    '',
    ...(cutShort ? [CUT_SHORT, ''] : []),
    rowOf(TITLES),
    rowOf(['---', '--:', '--:', '--:', '--:', '---']),
    ...outcomes.map(({ kind, tried, survived, lost, wrong, skipped = '' }) =>
      rowOf([kind, tried, survived, lost, wrong, skipped]),
    ),
  ];
  return `${lines.join('\n')}\n`;
}

function formatBudget(budget: number): string {
  return String(Number(budget.toPrecision(2)));
}

function rowOf(cells: readonly (string | number)[]): string {
  const texts = cells.map((cell) =>
    String(cell).replaceAll('\\', '\\\\').replaceAll('|', '\\|').replace(/\s+/g, ' '),
  );
  return `| ${texts.join(' | ')} |`;
}

/** The records of a page that `formatRecords` wrote. Throws for one that it did not write. */
export function parseRecords(page: string): CampaignRecord[] {
  return page
    .split(/^## /m)
    .slice(1)
    .map((section) => parseSection(section.split('\n')));
}

function parseSection([title = '', ...lines]: readonly string[]): CampaignRecord {
  const campaign = title.trim();
  const measured = lines.find((line) => line.startsWith('Measured ')) ?? '';
  const found = measuredLine.exec(measured)?.groups;
  if (found === undefined) throw new Error(`the record of ${campaign} does not say of what it is`);
  const { date = '', commit = '', machine = '', seed, budget } = found;
  const rows = lines.filter((line) => line.startsWith('|')).slice(2);
  return {
    campaign,
    date,
    commit,
    seed: Number(seed),
    budget: Number(budget),
    machine,
    cutShort: lines.includes(CUT_SHORT),
    outcomes: rows.map((row) => parseRow(campaign, row)),
  };
}

function parseRow(campaign: string, row: string): Outcome {
  const cells = [...row.slice(1).matchAll(/((?:[^|\\]|\\.)*)\|/g)].map(([, cell = '']) =>
    cell.trim().replace(/\\(.)/g, '$1'),
  );
  const [kind = '', ...rest] = cells;
  const [tried = NaN, survived = NaN, lost = NaN, wrong = NaN] = rest.slice(0, 4).map(Number);
  const counts = [tried, survived, lost, wrong];
  if (cells.length !== TITLES.length || !counts.every(Number.isSafeInteger)) {
    throw new Error(`the record of ${campaign} has a row that cannot be read: ${row}`);
  }
  const skipped = rest[4] ?? '';
  return { kind, tried, survived, lost, wrong, ...(skipped === '' ? {} : { skipped }) };
}
