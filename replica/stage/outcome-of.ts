/** What the agent says of a sync with its `end`, checked. */
import { asAfterimageError } from '../../shared/errors.js';
import { type SyncOutcome, syncOutcomeSchema } from '../../shared/protocol/sync-outcome.js';
import { refused } from './staged-content.js';

/** Throws `record-refused`. */
export function outcomeOf(bytes: Uint8Array): SyncOutcome {
  try {
    return syncOutcomeSchema.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
  } catch (error) {
    throw refused(`the outcome of the sync does not read: ${asAfterimageError(error).message}`);
  }
}
