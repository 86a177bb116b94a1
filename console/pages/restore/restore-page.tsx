/**
 * The restore wizard: what, where to, how, a dry run, the last look, the restore. Each step says what
 * it would change; nothing is written before the last one.
 */
import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Button } from '../../parts/button.js';
import { Answered } from '../../parts/states.js';
import type { PageProps } from '../../shell/page-entry.js';
import { setLink } from '../../shell/links.js';
import { href } from '../../shell/router.js';
import { texts } from '../../texts.js';
import { CheckStep } from './check-step.js';
import { ConfirmStep } from './confirm-step.js';
import { HowStep } from './how-step.js';
import type { Planned } from './planned.js';
import {
  beginDraft,
  faultsOf,
  folderOffered,
  type RestoreDraft,
  type Step,
  stepsOf,
  withPoint,
} from './restore-draft.js';
import { RunStep } from './run-step.js';
import { type RestoreFacts, useRestoreFacts } from './use-facts.js';
import { WhatStep } from './what-step.js';
import { WhereStep } from './where-step.js';

export function RestorePage({ params, query }: PageProps): VNode {
  const set = params['set'] ?? '';
  const given = {
    set,
    point: Number(query.get('point')) || undefined,
    paths: query.getAll('paths'),
  };
  const facts = useRestoreFacts(set, given.point);
  return (
    <div class="stack">
      <nav class="crumbs" aria-label={texts.nav.sets}>
        <a href={href('/')}>{texts.nav.sets}</a>
        <span aria-hidden="true">/</span>
        <a href={setLink(set)}>{set}</a>
      </nav>
      <header class="page-head">
        <h1>{texts.restore.title(set)}</h1>
      </header>
      <Answered answer={facts}>
        {(value) => (
          // Another address is another restore: nothing that was chosen for the last one may stay.
          <Wizard key={JSON.stringify(given)} facts={value} given={given} />
        )}
      </Answered>
    </div>
  );
}

interface WizardProps {
  readonly facts: RestoreFacts;
  readonly given: Parameters<typeof beginDraft>[0];
}

function Wizard({ facts, given }: WizardProps): VNode {
  const [draft, setDraft] = useState<RestoreDraft>(() => {
    const draft = beginDraft({ ...given, point: given.point ?? facts.points.at(-1)?.point });
    const way = facts.roots?.length === 0 ? 'download' : draft.way;
    return { ...draft, way, folder: folderOffered(facts.roots, draft) };
  });
  const [step, setStep] = useState<Step>('what');
  const [tried, setTried] = useState<Step>();
  const [planned, setPlanned] = useState<Planned>();
  const steps = stepsOf(draft);
  const index = steps.indexOf(step);
  const faults = faultsOf(draft, step);
  const inside = useRef<HTMLElement>(null);
  useEffect(() => {
    if (index > 0) inside.current?.focus();
  }, [step]);
  const change = (changes: Partial<RestoreDraft>): void => {
    setDraft((now) => {
      const point = changes.point ?? now.point;
      return { ...withPoint(now, { point, roots: facts.roots }), ...changes };
    });
    setPlanned(undefined);
  };
  const move = (by: -1 | 1): void => {
    setTried(step);
    if (by > 0 && faults.length > 0) return;
    const next = steps[index + by];
    if (next !== undefined) setStep(next);
  };
  const shown = tried === step ? faults : [];
  return (
    <div class="wizard">
      <Steps steps={steps} step={step} />
      <section class="card stack" ref={inside} tabIndex={-1} aria-label={texts.restore.steps[step]}>
        {step === 'what' && <WhatStep {...{ draft, change, facts, faults: shown }} />}
        {step === 'where' && <WhereStep {...{ draft, change, facts, faults: shown }} />}
        {step === 'how' && <HowStep {...{ draft, change }} />}
        {step === 'check' && <CheckStep draft={draft} planned={planned} onPlanned={setPlanned} />}
        {step === 'confirm' && planned !== undefined && (
          <ConfirmStep
            draft={draft}
            planned={planned}
            timeMs={facts.points.find(({ point }) => point === draft.point)?.timeMs}
            onConfirm={() => {
              setStep('run');
            }}
          />
        )}
        {step === 'run' && (
          <RunStep
            draft={draft}
            onAgain={() => {
              setPlanned(undefined);
              setStep('what');
            }}
          />
        )}
        {step !== 'run' && (
          <div class="row wizard-moves">
            <Button
              disabled={index === 0}
              onClick={() => {
                move(-1);
              }}
            >
              {texts.restore.back}
            </Button>
            {step !== 'confirm' && (
              <Button
                kind="primary"
                disabled={step === 'check' && planned === undefined}
                onClick={() => {
                  move(1);
                }}
              >
                {texts.restore.next}
              </Button>
            )}
          </div>
        )}
      </section>
    </div>
  );
}

function Steps({ steps, step }: { readonly steps: readonly Step[]; readonly step: Step }): VNode {
  const index = steps.indexOf(step);
  return (
    <ol class="steps">
      {steps.map((one, place) => (
        <li
          key={one}
          class={place < index ? 'past' : place === index ? 'now' : ''}
          {...(place === index ? { 'aria-current': 'step' as const } : {})}
        >
          <span class="step-number" aria-hidden="true">
            {place + 1}
          </span>
          {texts.restore.steps[one]}
        </li>
      ))}
    </ol>
  );
}
