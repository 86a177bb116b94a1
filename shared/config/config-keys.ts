/** Which keys a configuration schema knows, for messages and for the reference's test. */
import { z } from 'zod';

/** What a schema is once defaults, options and transformations are taken off. */
function bare(schema: z.core.$ZodType): z.core.$ZodType {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return bare(schema.def.innerType);
  }
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable) {
    return bare(schema.def.innerType);
  }
  return schema instanceof z.ZodPipe ? bare(schema.def.in) : schema;
}

/** Every key as a path: `sets[].schedule.every`. A key with keys of its own is listed too. */
export function configKeys(schema: z.core.$ZodType, prefix = ''): string[] {
  const plain = bare(schema);
  if (plain instanceof z.ZodObject) {
    const dot = prefix === '' ? '' : '.';
    return Object.entries(plain.shape as Record<string, z.core.$ZodType>).flatMap(
      ([key, value]) => {
        const path = `${prefix}${dot}${key}`;
        return [path, ...configKeys(value, path)];
      },
    );
  }
  if (plain instanceof z.ZodArray) return configKeys(plain.def.element, `${prefix}[]`);
  if (plain instanceof z.ZodUnion) {
    const keys = plain.def.options.flatMap((option) => configKeys(option, prefix));
    return [...new Set(keys)];
  }
  return [];
}

/** Keys that the schema knows directly below a place in the document. */
export function knownKeys(
  schema: z.core.$ZodType,
  place: readonly PropertyKey[],
): readonly string[] {
  const path = place.map((step) => (typeof step === 'number' ? '[]' : `.${String(step)}`)).join('');
  const prefix = path.startsWith('.') ? path.slice(1) : path;
  const below = prefix === '' ? '' : `${prefix}.`;
  return configKeys(schema)
    .filter((key) => key.startsWith(below))
    .map((key) => key.slice(below.length))
    .filter((key) => key !== '' && !/[.[]/.test(key));
}

/** The known key that a mistyped one most likely is; undefined when none is near. */
export function nearestKey(mistyped: string, known: readonly string[]): string | undefined {
  const plain = mistyped.toLowerCase().replaceAll('-', '_');
  let best: { key: string; distance: number } | undefined;
  for (const key of known) {
    const distance = key.startsWith(plain) ? 1 : editDistance(plain, key);
    if (best === undefined || distance < best.distance) best = { key, distance };
  }
  if (best === undefined) return undefined;
  return best.distance <= Math.max(2, Math.floor(mistyped.length / 3)) ? best.key : undefined;
}

/** Insertions, deletions and substitutions (Levenshtein). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let at = 1; at <= a.length; at += 1) {
    const next = [at];
    for (let to = 1; to <= b.length; to += 1) {
      const substituted = (row[to - 1] ?? 0) + (a[at - 1] === b[to - 1] ? 0 : 1);
      next.push(Math.min(substituted, (row[to] ?? 0) + 1, (next[to - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
