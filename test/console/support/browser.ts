/**
 * Chromium for the console's tests: without it they are skipped, and say so. Pages are opened signed
 * in; what the page throws or logs as an error fails the test that asks for `troubles`. Pictures go to
 * dist/test-artefacts/console, to be looked at.
 */
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import { expect } from 'vitest';
import type { SampleReplica } from './sample-replica.js';

const CHROMIUM = '/usr/bin/chromium';
const artefacts = fileURLToPath(new URL('../../../dist/test-artefacts/console/', import.meta.url));

/** Why there is no browser to test with; printed, because a skipped test says nothing by itself. */
export function chromiumMissing(): string | undefined {
  if (fs.existsSync(CHROMIUM)) return undefined;
  const why = `skipped: there is no ${CHROMIUM}`;
  console.warn(why);
  return why;
}

export type Theme = 'light' | 'dark';

export interface PageOptions {
  readonly theme?: Theme;
  /** CSS pixels; 1280 by 800 when left out. */
  readonly width?: number;
  readonly height?: number;
  readonly touch?: boolean;
}

export class TestBrowser {
  readonly #replica: SampleReplica;
  readonly #context: BrowserContext;
  readonly #folder: string;

  private constructor(replica: SampleReplica, context: BrowserContext, folder: string) {
    this.#replica = replica;
    this.#context = context;
    this.#folder = folder;
  }

  static async start(replica: SampleReplica): Promise<TestBrowser> {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'afterimage-chromium-'));
    const context = await chromium.launchPersistentContext(folder, {
      executablePath: CHROMIUM,
      headless: true,
      timezoneId: 'UTC',
      hasTouch: true,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
    context.setDefaultTimeout(15_000);
    return new TestBrowser(replica, context, folder);
  }

  /** A page that nobody is signed in to. */
  async blank({
    theme = 'light',
    width = 1280,
    height = 800,
  }: PageOptions = {}): Promise<TestPage> {
    const page = await this.#context.newPage();
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
    return new TestPage(page, this.#replica, theme);
  }

  /** A signed-in page at a link of the console: `/sets/shop?point=3`. */
  async open(link: string, options: PageOptions = {}): Promise<TestPage> {
    const page = await this.blank(options);
    await page.signIn();
    await page.go(link);
    return page;
  }

  async close(): Promise<void> {
    await this.#context.close();
    fs.rmSync(this.#folder, { recursive: true, force: true });
  }
}

export class TestPage {
  readonly page: Page;
  readonly troubles: string[] = [];
  readonly #replica: SampleReplica;
  readonly #theme: Theme;

  constructor(page: Page, replica: SampleReplica, theme: Theme) {
    this.page = page;
    this.#replica = replica;
    this.#theme = theme;
    page.on('pageerror', (error) => this.troubles.push(error.message));
    page.on('console', (message) => {
      // Answers of 4xx are logged by the browser itself; what the page makes of them is tested.
      const own =
        message.type() === 'error' && !message.text().startsWith('Failed to load resource');
      if (own) this.troubles.push(message.text());
    });
  }

  /** Through the form, unless this browser is signed in already. */
  async signIn(): Promise<void> {
    await this.page.goto(`${this.#replica.url}/console/`);
    const field = this.page.getByLabel('Token');
    // By its class: where it is folded away it has no role.
    const frame = this.page.locator('.frame-nav');
    await field.or(frame).first().waitFor({ state: 'attached' });
    if ((await field.count()) === 0) return;
    await field.fill(this.#replica.token);
    await this.page.getByRole('button', { name: 'Sign in' }).click();
    await frame.waitFor({ state: 'attached' });
  }

  /** Changes the address behind `#`, as following a link does. */
  async go(link: string): Promise<void> {
    await this.page.evaluate(`window.location.hash = ${JSON.stringify(link)}`);
  }

  /** Fails on what axe calls serious or critical. */
  async expectAccessible(): Promise<void> {
    await this.page.evaluate(axeSource());
    const found: unknown = await this.page.evaluate(
      `axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .map(({ id, nodes }) => id + ': ' + nodes.slice(0, 4).map(({ html, any }) =>
          html.slice(0, 160) + ' ' + any.map(({ message }) => message).join('; ')).join(' | ')))`,
    );
    expect(found, `axe: ${JSON.stringify(found)}`).toEqual([]);
  }

  /** Fails when the page as a whole scrolls sideways. */
  async expectNoSidewaysScroll(): Promise<void> {
    const wide = await this.number('document.documentElement.scrollWidth');
    const sight = await this.number('document.documentElement.clientWidth');
    expect(wide, 'width of the page').toBeLessThanOrEqual(sight);
  }

  /** What an expression is in the page; this room knows no DOM, so it is text. */
  async number(expression: string): Promise<number> {
    return Number(await this.page.evaluate(expression));
  }

  /** Saves a picture; its name gets theme and width. */
  async picture(name: string, extent: 'sight' | 'whole' = 'sight'): Promise<void> {
    fs.mkdirSync(artefacts, { recursive: true });
    const width = this.page.viewportSize()?.width ?? 0;
    const file = path.join(artefacts, `${name}-${this.#theme}-${width}.png`);
    await this.page.screenshot({ path: file, fullPage: extent === 'whole' });
  }

  async close(): Promise<void> {
    await this.page.close();
  }
}

let axe: string | undefined;

function axeSource(): string {
  axe ??= fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  return axe;
}
