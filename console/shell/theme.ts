/** Light or dark: as the system says, unless the operator chose. The choice stays in this browser. */
import { effect, signal } from '@preact/signals';

export type Theme = 'system' | 'light' | 'dark';
const themes: readonly Theme[] = ['system', 'light', 'dark'];
const KEY = 'afterimage-theme';

export const theme = signal<Theme>(stored());

/** Of the system, as it is now: what `system` stands for. */
export const systemDark = signal(window.matchMedia('(prefers-color-scheme: dark)').matches);

window
  .matchMedia('(prefers-color-scheme: dark)')
  .addEventListener('change', ({ matches }) => (systemDark.value = matches));

/** Keeps the page's attribute and the store as the choice is. Called once, when the console starts. */
export function startTheme(): void {
  effect(() => {
    const { dataset } = document.documentElement;
    if (theme.value === 'system') delete dataset['theme'];
    else dataset['theme'] = theme.value;
    try {
      window.localStorage.setItem(KEY, theme.value);
    } catch {
      // A browser that keeps nothing shows the choice until it is closed.
    }
  });
}

export function nextTheme(): void {
  const next = themes[(themes.indexOf(theme.peek()) + 1) % themes.length];
  theme.value = next ?? 'system';
}

function stored(): Theme {
  try {
    const text = window.localStorage.getItem(KEY);
    return themes.find((one) => one === text) ?? 'system';
  } catch {
    return 'system';
  }
}
