/** Whether a replica can do its work: what a load balancer or a service manager asks. */

export interface Readiness {
  readonly ready: boolean;
  readonly checks: readonly ReadyCheck[];
}

export interface ReadyCheck {
  readonly check: 'started' | 'sets' | 'storage' | 'broker' | 'room';
  readonly ok: boolean;
  /** What is wrong; empty when nothing is. Names no set to who has no token. */
  readonly reason: string;
}

export interface ReadyFacts {
  readonly started: boolean;
  readonly unopened: readonly string[];
  readonly stalled: readonly string[];
  readonly brokerConnected: boolean;
  /** Undefined when it could not be asked for. */
  readonly freeBytes: number | undefined;
  readonly roomError: string | undefined;
  readonly freeBytesMin: number;
}

export function readinessOf(facts: ReadyFacts): Readiness {
  const { freeBytes, freeBytesMin, unopened, stalled } = facts;
  const check = (name: ReadyCheck['check'], ok: boolean, reason: string): ReadyCheck => ({
    check: name,
    ok,
    reason: ok ? '' : reason,
  });
  const hasRoom = freeBytes !== undefined && freeBytes >= freeBytesMin;
  const checks = [
    check('started', facts.started, 'the replica starts or stops'),
    check('sets', unopened.length === 0, `${unopened.length} sets could not be opened`),
    check('storage', stalled.length === 0, `${stalled.length} sets are stalled`),
    check('broker', facts.brokerConnected, 'the broker is not connected'),
    check(
      'room',
      hasRoom,
      facts.roomError ?? `${freeBytes ?? 0} bytes are left, ${freeBytesMin} must be`,
    ),
  ];
  return { ready: checks.every(({ ok }) => ok), checks };
}
