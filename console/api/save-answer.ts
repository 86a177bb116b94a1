/**
 * Saves what the API answers as a file. With a session the browser fetches it by itself, as large as
 * it may be; with a token in memory alone the answer has to be held in memory, too.
 */
import { getResponse } from './client.js';
import { sessionState } from './session.js';

/** Resolves when the browser has taken it over. Throws `ApiFailure`. */
export async function saveAnswer(url: string, name: string): Promise<void> {
  const now = sessionState.peek();
  if (now.state === 'in' && now.session.token === null) {
    press(url, name);
    return;
  }
  const blob = await (await getResponse(url)).blob();
  const held = URL.createObjectURL(blob);
  press(held, name);
  setTimeout(() => {
    URL.revokeObjectURL(held);
  }, 60_000);
}

function press(url: string, name: string): void {
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
}
