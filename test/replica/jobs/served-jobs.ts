/** A server over a set in memory, with jobs and events. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type JobJson, jobSchema } from '../../../shared/api/jobs.js';
import { systemClock } from '../../../shared/clock.js';
import { silentLog } from '../../../shared/log.js';
import { EventHub } from '../../../replica/jobs/event-hub.js';
import { JobDesk } from '../../../replica/jobs/job-desk.js';
import { JobStore } from '../../../replica/jobs/job-store.js';
import { jobKinds } from '../../../replica/jobs/kinds/job-kinds.js';
import type { ServerOptions } from '../../../replica/serve/route-context.js';
import { TestReplica } from '../../cli/support/served-memory.js';

export class ServedJobs extends TestReplica {
  readonly folder = mkdtempSync(join(tmpdir(), 'afterimage-jobs-'));
  /** The only restore root. */
  readonly root = join(this.folder, 'root');
  readonly hub = new EventHub();
  readonly #store = new JobStore(join(this.folder, 'catalog.db'));
  readonly desk = new JobDesk({
    store: this.#store,
    hub: this.hub,
    clock: systemClock,
    log: silentLog,
    kinds: jobKinds({
      sets: () => [this.served],
      hash: this.hash,
      clock: systemClock,
      log: silentLog,
      restoreRoots: [this.root],
      auditLines: () => [{ id: 1, action: 'login' }],
    }),
  });

  override async start(options: Partial<ServerOptions> = {}): Promise<void> {
    mkdirSync(this.root);
    this.desk.start();
    await super.start({
      jobs: this.desk,
      events: this.hub,
      restoreRoots: [this.root],
      ...options,
    });
  }

  override async stop(): Promise<void> {
    await super.stop();
    await this.desk.close();
    this.#store.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  post(path: string, body: object = {}): Promise<Response> {
    return this.fetch(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  }

  async begin(body: object): Promise<JobJson> {
    return jobSchema.parse(await (await this.post('/v1/jobs', body)).json());
  }

  async ended(id: string): Promise<JobJson> {
    for (;;) {
      const job = this.desk.get(id);
      if (job.state !== 'queued' && job.state !== 'running') return job;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
