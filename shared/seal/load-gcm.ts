/**
 * Chooses who seals, the fastest first: the processor's vector AES, which the addon has where
 * libipsec-mb was there when it was built and which must agree with node:crypto before it is used; the
 * OpenSSL that Node runs on, through the addon, from buffer to buffer; node:crypto itself.
 */
import { randomBytes } from 'node:crypto';
import { loadAddon } from '../posix/load-addon.js';
import { TAG_BYTES } from '../protocol/frame.js';
import { type Gcm, portableGcm } from './gcm.js';

export type SealedBy = 'vector AES' | 'OpenSSL' | 'node:crypto';

/** Who seals in this process. */
export interface Sealing {
  readonly by: SealedBy;
  /**
   * Why not the processor's vector AES, where it has it; undefined when that serves, and where there is
   * none.
   */
  readonly lost: string | undefined;
}

type SealCall = (
  key: Uint8Array,
  nonce: Uint8Array,
  body: Uint8Array,
  message: Uint8Array,
  headerBytes: number,
) => void;
type OpenCall = (
  key: Uint8Array,
  nonce: Uint8Array,
  header: Uint8Array,
  sealed: Uint8Array,
  tag: Uint8Array,
  out: Uint8Array,
) => boolean;

/** What the addon may offer: sealGcm and openGcm are OpenSSL's. */
interface SealBinding {
  readonly sealGcm?: SealCall;
  readonly openGcm?: OpenCall;
  readonly vectorSeal?: 'there' | 'not-built' | 'not-this-processor';
  readonly sealVector?: SealCall;
  readonly openVector?: OpenCall;
}

let loaded: { readonly gcm: Gcm; readonly sealing: Sealing } | undefined;

/** One instance a thread. */
export function loadGcm(): Gcm {
  loaded ??= load();
  return loaded.gcm;
}

export function sealing(): Sealing {
  loaded ??= load();
  return loaded.sealing;
}

/** What the operator could have for nothing, as words; empty when it is there. */
export function missingSealing(): readonly string[] {
  const { lost } = sealing();
  return lost === undefined ? [] : [`sealing by vector AES (${lost})`];
}

/** All that work here, the fastest first; for tests that hold them to each other. */
export function usableGcms(): readonly (readonly [SealedBy, Gcm])[] {
  const addon = loadAddon();
  const binding: SealBinding = 'exports' in addon ? addon.exports : {};
  const { sealVector, openVector, sealGcm, openGcm } = binding;
  return [
    ...named('vector AES', sealVector, openVector),
    ...named('OpenSSL', sealGcm, openGcm),
    ['node:crypto', portableGcm],
  ];
}

function named(
  by: SealedBy,
  seal: SealCall | undefined,
  open: OpenCall | undefined,
): (readonly [SealedBy, Gcm])[] {
  return seal === undefined || open === undefined ? [] : [[by, nativeGcm(seal, open)]];
}

function load(): { readonly gcm: Gcm; readonly sealing: Sealing } {
  const [by, gcm] = usableGcms().find(([, candidate]) => agrees(candidate)) ?? [
    'node:crypto',
    portableGcm,
  ];
  return { gcm, sealing: { by, lost: by === 'vector AES' ? undefined : whyNotVector() } };
}

function whyNotVector(): string | undefined {
  const addon = loadAddon();
  if ('whyNot' in addon) return undefined;
  switch ((addon.exports as SealBinding).vectorSeal) {
    case 'not-built':
      return 'libipsec-mb was not installed when the native part was built';
    case 'there':
      return 'it does not agree with node:crypto here';
    default:
      return undefined;
  }
}

function nativeGcm(seal: SealCall, open: OpenCall): Gcm {
  return {
    seal({ key, nonce, body, message, headerBytes }) {
      seal(key, nonce, body, message, headerBytes);
    },
    open({ key, nonce, header, sealed, tag, reuse }) {
      const out = reuse
        ? Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength)
        : Buffer.allocUnsafe(sealed.length);
      return open(key, nonce, header, sealed, tag, out) ? out : undefined;
    },
  };
}

/** Vectors work on 16 blocks at once and 48 in a loop: lengths on all sides of both, and nothing at all. */
const CHECKED_BYTES = [0, 1, 16, 255, 256, 257, 767, 768, 769, 5003];
const CHECKED_HEADER_BYTES = 48;

/** Seals what node:crypto seals, opens it again, and nothing else. Takes less than a millisecond. */
export function agrees(gcm: Gcm): boolean {
  if (gcm === portableGcm) return true;
  return CHECKED_BYTES.every((bytes) => {
    const secret = { key: randomBytes(32), nonce: randomBytes(12) };
    const body = randomBytes(bytes);
    const header = randomBytes(CHECKED_HEADER_BYTES);
    const [message, expected] = [gcm, portableGcm].map((by) => {
      const made = Buffer.concat([header, Buffer.alloc(bytes + TAG_BYTES)]);
      by.seal({ ...secret, body, message: made, headerBytes: header.length });
      return made;
    });
    if (message === undefined || expected?.equals(message) !== true) return false;
    const sealed = message.subarray(header.length, -TAG_BYTES);
    const tag = message.subarray(-TAG_BYTES);
    const opening = { ...secret, header, sealed, reuse: false };
    if (gcm.open({ ...opening, tag })?.equals(body) !== true) return false;
    return gcm.open({ ...opening, tag: tag.map((byte) => byte ^ 1) }) === undefined;
  });
}
