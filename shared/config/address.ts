/** Where a process listens: host and port, as configurations write it. */
import { z } from 'zod';

export interface Address {
  readonly host: string;
  readonly port: number;
}

const addressPattern = /^(.+):(\d{1,5})$/;

/** Undefined when the text is not host:port. IPv6 hosts stand in brackets. */
export function parseAddress(text: string): Address | undefined {
  const match = addressPattern.exec(text);
  const port = Number(match?.[2]);
  const host = match?.[1]?.replace(/^\[(.*)\]$/, '$1');
  if (host === undefined || !Number.isInteger(port) || port > 65_535) return undefined;
  return { host, port };
}

/** Text that `parseAddress` takes. */
export const addressSchema = z
  .string()
  .refine((text) => parseAddress(text) !== undefined, 'host:port, such as 127.0.0.1:9470')
  .meta({ type: 'host:port' });
