/** Drawn signs, 16 by 16 in the colour of the text. They never stand alone: words or a label say it. */
import type { VNode } from 'preact';

const paths = {
  brand: 'M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8M8 4.6a3.4 3.4 0 1 1 0 6.8M8 7.2v1.6',
  sets: 'M2.5 4.5 8 2l5.5 2.5L8 7zM2.5 8 8 10.5 13.5 8M2.5 11.5 8 14l5.5-2.5',
  jobs: 'M2.5 3.5h11M2.5 8h7M2.5 12.5h9',
  search: 'M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9M10.5 10.5l3.5 3.5',
  agents: 'M2.5 3h11v7h-11zM6 13.5h4M8 10v3.5',
  audit: 'M4 1.8h6l2.5 2.5v9.9H4zM6 7h5M6 9.5h5M6 12h3',
  settings:
    'M8 5.8a2.2 2.2 0 1 0 0 4.4 2.2 2.2 0 0 0 0-4.4M8 1.8v2M8 12.2v2M1.8 8h2M12.2 8h2M3.6 3.6l1.4 1.4M11 11l1.4 1.4M3.6 12.4 5 11M11 5l1.4-1.4',
  policies: 'M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8M8 4.5V8l2.5 1.5',
  restore: 'M3 8a5 5 0 1 0 1.5-3.6M3 2.5v2.7h2.7',
  alarm: 'M8 2 14.5 13.5h-13zM8 6.5v3.2M8 11.4v.6',
  ok: 'M3 8.5 6.5 12 13 4.5',
  close: 'M3.5 3.5l9 9M12.5 3.5l-9 9',
  menu: 'M2 4h12M2 8h12M2 12h12',
  sun: 'M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6M8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M3 13l1-1M12 4l1-1',
  moon: 'M13 9.5A5.5 5.5 0 0 1 6.5 3a5.5 5.5 0 1 0 6.5 6.5z',
  system: 'M2 3h12v8H2zM5.5 13.5h5M8 11v2.5',
  leave: 'M6.5 2.5h-4v11h4M6 8h8M11 5l3 3-3 3',
  folder: 'M1.8 3.5h4.4l1.4 1.8h6.6v7.5H1.8z',
  file: 'M4 1.8h5.2L12 4.6v9.6H4zM9 1.8v3h3',
  link: 'M6.8 9.2a2.6 2.6 0 0 0 3.7 0l2.2-2.2a2.6 2.6 0 0 0-3.7-3.7l-.9.9M9.2 6.8a2.6 2.6 0 0 0-3.7 0L3.3 9a2.6 2.6 0 0 0 3.7 3.7l.9-.9',
  other: 'M8 3.5v5M8 11v1.5M2 2h12v12H2z',
  download: 'M8 2v8M4.8 7 8 10.2 11.2 7M2.5 13.5h11',
  hold: 'M4 7h8v6.5H4zM5.5 7V5a2.5 2.5 0 0 1 5 0v2',
  certificate: 'M8 1.8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M5.8 9.2 5 14.2l3-1.6 3 1.6-.8-5',
  compare: 'M5 2.5v11M2.5 5 5 2.5 7.5 5M11 13.5v-11M8.5 11l2.5 2.5 2.5-2.5',
  right: 'M6 3.5 10.5 8 6 12.5',
  left: 'M10 3.5 5.5 8l4.5 4.5',
  down: 'M3.5 6 8 10.5 12.5 6',
  up: 'M3.5 10 8 5.5l4.5 4.5',
  plus: 'M8 3v10M3 8h10',
  minus: 'M3 8h10',
  mount: 'M2 9.5h12v4H2zM4 9.5V4h8v5.5M11 11.5h1',
  sync: 'M2.8 6.5A5.4 5.4 0 0 1 13 6M13.2 9.5A5.4 5.4 0 0 1 3 10M13.3 2.8V6h-3.2M2.7 13.2V10h3.2',
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name }: { readonly name: IconName }): VNode {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  );
}
