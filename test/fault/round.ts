/** The process of one round: runs the campaign named on its command line and tells its parent. */
import type { Campaign } from './campaign.js';
import type { RoundMessage } from './round-process.js';

// An end by signal runs what `process.on('exit')` holds: processes stopped, folders removed.
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => process.exit(1));

const [name = '', seed = '', budget = ''] = process.argv.slice(2);

function tell(message: RoundMessage): Promise<void> {
  return new Promise((resolve, reject) => {
    if (process.send === undefined) throw new Error('a round is started by main.js');
    process.send(message, undefined, undefined, (error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
}

async function run(): Promise<RoundMessage> {
  try {
    const { campaign } = (await import(`./campaigns/${name}.js`)) as { campaign: Campaign };
    const outcomes = await campaign.run({
      seed: Number(seed),
      budget: Number(budget),
      log: (line) => void tell({ type: 'log', line }),
    });
    return { type: 'done', outcomes: [...outcomes] };
  } catch (error) {
    return {
      type: 'failed',
      message: error instanceof Error ? (error.stack ?? '') : String(error),
    };
  }
}

await tell(await run());
// Whatever a campaign left open must not keep the next one waiting.
process.exit(0);
