/**
 * The enrolment file: what an agent needs to find its broker and to know its replica. It carries
 * the broker credential and a token that works once; the agent makes its own identity (R23).
 */
import { z } from 'zod';
import { isWireName } from './subject.js';

const name = z.string().refine(isWireName, 'not a name');

export const enrolmentSchema = z.object({
  format: z.literal(1),
  brokerUrl: z.string().min(1).max(1000),
  tenant: name,
  agent: name,
  /** X25519 key that the agent trusts from now on, base64url. */
  replicaPublicKey: z.string().length(43),
  /** Pins the agent's own key at its first hello. */
  token: z.string().min(1).max(100),
  /** When the token stops working, ms since the epoch. */
  expiresMs: z.number(),
  /** Seed of the agent's broker user. */
  brokerSeed: z.string().min(1).max(100),
});
export type Enrolment = z.infer<typeof enrolmentSchema>;
