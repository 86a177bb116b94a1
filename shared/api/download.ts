/**
 * Shapes of `GET /v1/sets/:set/points/:point/download`: files and folders of a point as a browser
 * saves them. The answer is a file with Range, ETag and If-None-Match, or an archive that is made while
 * it is sent. A block that is damaged breaks the connection off: an archive is never short in silence.
 */
import { z } from 'zod';
import { PATHS_MAX } from './tree.js';

export const downloadFormats = ['raw', 'tar', 'zip'] as const;
export type DownloadFormat = (typeof downloadFormats)[number];

export const downloadQuerySchema = z.object({
  /** As path text from the set's root, repeatable; none means the whole set. */
  path: z
    .union([z.string().transform((path) => [path]), z.array(z.string()).max(PATHS_MAX)])
    .default([]),
  /** `raw` is one file; left out: `raw` for one file, else `tar`. */
  format: z.enum(downloadFormats).optional(),
  /**
   * `preview`: shown in the browser instead of saved, for images and text by what the bytes are;
   * other content is `preview-refused`. Its type is in Content-Type, sandboxed.
   */
  inline: z.literal('preview').optional(),
});
export type DownloadQuery = z.infer<typeof downloadQuerySchema>;

/** Content types that a preview may have. Text comes as UTF-8 when it is, else as Latin-1. */
export const previewTypes = [
  'image/png',
  'image/jpeg',
  'image/gif',
  'image/webp',
  'image/avif',
  'text/plain',
] as const;
export type PreviewType = (typeof previewTypes)[number];
