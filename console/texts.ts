/** Every text of the console, by topic. Pages say `texts.shell.skip`; a topic is a file in texts/. */
import { api, nav, shell, signIn } from './texts/shell.js';
import { overview } from './texts/overview.js';
import { words } from './texts/words.js';

export const texts = { api, nav, shell, signIn, words, overview } as const;
