/** What the agent and the process that holds SQLite databases say to each other. */

export type ToSqliteHolder =
  | {
      readonly do: 'hold';
      readonly databases: readonly string[];
      readonly busyTimeoutMs: number;
    }
  | { readonly do: 'release' };

export type FromSqliteHolder =
  /** Started; nothing is opened yet. */
  | { readonly say: 'ready' }
  | { readonly say: 'held'; readonly facts: Readonly<Record<string, string | number>> }
  | { readonly say: 'failed'; readonly database: string; readonly message: string }
  | { readonly say: 'released' };

export function isToSqliteHolder(value: unknown): value is ToSqliteHolder {
  return typeof value === 'object' && value !== null && 'do' in value;
}

export function isFromSqliteHolder(value: unknown): value is FromSqliteHolder {
  return typeof value === 'object' && value !== null && 'say' in value;
}
