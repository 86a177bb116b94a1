/**
 * One stream of server-sent events for all pages, read with fetch so that it carries the same
 * credentials as everything else. Broken streams are taken up again where they ended (Last-Event-ID),
 * after 1 s and then ever longer up to 30 s. A replica without events is asked again every 30 s.
 */
import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { EventData, EventName } from '../../shared/api/events.js';
import { getResponse } from './client.js';
import { sessionState } from './session.js';

export type ApiEvent = {
  [Name in EventName]: { readonly name: Name; readonly data: EventData<Name> };
}[EventName];

/** `live` while events come; `away` while they do not, so that pages ask from time to time instead. */
export const liveState = signal<'live' | 'away'>('away');

const WAIT_MS_MIN = 1000;
const WAIT_MS_MAX = 30_000;
/** The replica says something every 15 s; silence for longer means that the way is cut. */
const SILENCE_MS_MAX = 45_000;

type Listener = (event: ApiEvent) => void;
const listeners = new Set<Listener>();

/** Calls `listener` with every event that comes while the component stands. */
export function useEvents(listener: Listener): void {
  const now = useRef(listener);
  now.current = listener;
  useEffect(() => {
    const hear = (event: ApiEvent): void => {
      now.current(event);
    };
    listeners.add(hear);
    return () => {
      listeners.delete(hear);
    };
  }, []);
}

interface Position {
  /** Of the last event that came. */
  lastId: string;
  waitMs: number;
}

/**
 * Listens while somebody is signed in and looks: browsers open six connections to a replica in all
 * their tabs together, so a seventh tab would wait for ever for one that nobody sees. Called once,
 * when the console starts.
 */
export function startEvents(): void {
  const position: Position = { lastId: '', waitMs: WAIT_MS_MIN };
  let leaving: AbortController | undefined;
  const follow = (): void => {
    leaving?.abort();
    leaving = undefined;
    const { state } = sessionState.peek();
    if (state !== 'in') position.lastId = '';
    if (state !== 'in' || document.hidden) return;
    leaving = new AbortController();
    void keepListening(position, leaving.signal);
  };
  sessionState.subscribe(follow);
  document.addEventListener('visibilitychange', follow);
}

async function keepListening(position: Position, signal: AbortSignal): Promise<void> {
  position.waitMs = WAIT_MS_MIN;
  while (!signal.aborted) {
    try {
      await listen(position, signal);
    } catch {
      // What is wrong is told by `liveState`, and by the failure of whatever the page asks for.
      position.waitMs = Math.min(position.waitMs * 2, WAIT_MS_MAX);
    }
    liveState.value = 'away';
    await pause(position.waitMs, signal);
  }
}

async function listen(position: Position, signal: AbortSignal): Promise<void> {
  const silence = new AbortController();
  const headers = position.lastId === '' ? {} : { 'last-event-id': position.lastId };
  const response = await getResponse('/v1/events', {
    signal: AbortSignal.any([signal, silence.signal]),
    headers: { accept: 'text/event-stream', ...headers },
  });
  if (response.body === null) return;
  liveState.value = 'live';
  position.waitMs = WAIT_MS_MIN;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const timer = setTimeout(() => {
      silence.abort();
    }, SILENCE_MS_MAX);
    const { done, value } = await reader.read().finally(() => {
      clearTimeout(timer);
    });
    if (done) return;
    const blocks = (rest + value).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) position.lastId = tell(block) ?? position.lastId;
  }
}

/** Tells of one event; its id. */
function tell(block: string): string | undefined {
  const fields = new Map<string, string>();
  for (const line of block.split('\n')) {
    const mark = line.indexOf(':');
    if (mark > 0) fields.set(line.slice(0, mark), line.slice(mark + 1).replace(/^ /, ''));
  }
  const name = fields.get('event');
  const json = fields.get('data');
  if (name !== undefined && json !== undefined) {
    const event = { name, data: JSON.parse(json) as unknown } as ApiEvent;
    for (const listener of listeners) {
      try {
        listener(event);
      } catch (error) {
        // Its own page's trouble: the stream would else end here, again and again.
        reportError(error);
      }
    }
  }
  return fields.get('id');
}

function pause(waitMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, waitMs);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
