/**
 * The configuration that is in force, as keys of the file with their values. What may be a secret is
 * not told: keys that sound like one, and whatever of an address is not its host.
 */
import type { SettingsAnswer } from '../../shared/api/access.js';

type Setting = SettingsAnswer['settings'][number];

const secretPattern = /secret|token$|password|authorization|headers?$|seed$|credential/;
const HIDDEN = '(not told)';
const DEPTH_MAX = 6;

/** In the order of the configuration; lengths of time in ms, `never` for what has no end. */
export function effectiveSettings(config: object): Setting[] {
  return flat(config, '', 0);
}

function flat(value: object, prefix: string, depth: number): Setting[] {
  return Object.entries(value).flatMap(([name, inner]: [string, unknown]): Setting[] => {
    const key = `${prefix}${snake(name)}`;
    if (secretPattern.test(key)) return [{ key, value: HIDDEN }];
    if (Array.isArray(inner)) return listed(key, inner, depth);
    if (typeof inner === 'object' && inner !== null) {
      return depth < DEPTH_MAX ? flat(inner, `${key}.`, depth + 1) : [];
    }
    return [{ key, value: plain(inner) }];
  });
}

function listed(key: string, values: readonly unknown[], depth: number): Setting[] {
  if (values.every((each) => typeof each !== 'object' || each === null)) {
    return [{ key, value: values.map((each) => String(plain(each))) }];
  }
  return depth < DEPTH_MAX ? flat(Object.fromEntries(values.entries()), `${key}.`, depth + 1) : [];
}

function plain(value: unknown): string | number | boolean | null {
  if (typeof value === 'string') return withoutSecret(value);
  if (typeof value === 'number') return Number.isFinite(value) ? value : 'never';
  return typeof value === 'boolean' ? value : null;
}

/** Of an address the scheme and the host: user, path and query may open what it leads to. */
function withoutSecret(text: string): string {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return text;
  const scheme = text.slice(0, text.indexOf('://'));
  const rest = text.slice(scheme.length + 3);
  const host = rest.split(/[/?#]/, 1)[0]?.split('@').at(-1) ?? '';
  const isWhole = rest === host || rest === `${host}/`;
  return `${scheme}://${host}${isWhole ? '' : '/…'}`;
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
