/**
 * Shapes of what the API says about certificates. The export is a stream of the lines that
 * shared/certificate/certificate.ts describes, so that what is stored is what can be verified.
 */
import { z } from 'zod';
import { signedSchema } from '../certificate/certificate.js';

export const pointCertificateSchema = z.object({
  set: z.string(),
  point: z.number().int().positive(),
  /** Entries that speak of the point: its certificate, its removal, checks. */
  entries: z.array(signedSchema),
});
export type PointCertificateAnswer = z.infer<typeof pointCertificateSchema>;

export const certificateKeySchema = z.object({
  /** Public key that signs now, 32 bytes in base64url. */
  key: z.string().length(43),
  /** The key that it replaced just now. */
  previous: z.string().length(43).optional(),
});
export type CertificateKeyAnswer = z.infer<typeof certificateKeySchema>;
