/**
 * What encryptors do to files, and what does no harm although it changes as many: real files, real
 * AES, real git, npm-like trees, databases. All of it comes from a seed, but for AES keys.
 */
import { execFileSync } from 'node:child_process';
import { createCipheriv, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import zlib from 'node:zlib';
import Database from 'better-sqlite3';
import type { Seeded } from '../../support/seeded.js';

const words =
  'the of and to in a is that for it as was with be by on not he his but at are this have from or had an they which one you were all her she there would their we him been has when who will no more if out so up said what its about than into them can only other time new some could these two may first then do any like my now over such our man me even most made after also did many before must through years where much your way well down should because each just those people how too little state good very make world still see own work men day get here between both life being under never same another know while last might us great old year off come since against go came right used take three'.split(
    ' ',
  );

export function textOf(random: Seeded, bytes: number): Buffer {
  const parts: string[] = [];
  for (let length = 0; length < bytes;) {
    const word = random.pick(words) + (random.chance(0.08) ? '.\n' : ' ');
    parts.push(word);
    length += word.length;
  }
  return Buffer.from(parts.join('').slice(0, bytes));
}

const PNG = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
const JPEG = Buffer.from([0xff, 0xd8, 0xff, 0xe0]);

/** Content of a file of a kind, as such files begin and as compressible as they are. */
export function contentOf(random: Seeded, kind: string): Buffer {
  const bytes = 200 + random.below(random.chance(0.1) ? 200_000 : 12_000);
  switch (kind) {
    case 'jpg':
      return Buffer.concat([JPEG, random.bytes(bytes)]);
    case 'png':
      return Buffer.concat([PNG, zlib.deflateSync(textOf(random, bytes))]);
    case 'docx':
    case 'zip':
      return Buffer.concat([Buffer.from('PK\x03\x04'), zlib.deflateRawSync(textOf(random, bytes))]);
    case 'pdf':
      return Buffer.concat([Buffer.from('%PDF-1.7\n'), zlib.deflateSync(textOf(random, bytes))]);
    case 'csv':
      return Buffer.from(
        Array.from(
          { length: Math.ceil(bytes / 20) },
          (_, row) => `${row},${random.below(1e6)},${random.pick(words)}\n`,
        ).join(''),
      );
    case 'json':
      return Buffer.from(
        JSON.stringify(
          Array.from({ length: Math.ceil(bytes / 40) }, () => ({
            [random.pick(words)]: random.below(1000),
            text: random.pick(words),
          })),
        ),
      );
    default:
      return textOf(random, bytes);
  }
}

const kinds = ['txt', 'md', 'csv', 'json', 'docx', 'pdf', 'jpg', 'png', 'html', 'log'];

/** People's and programs' files in folders. Returns their paths. */
export function writeOffice(root: string, random: Seeded, files: number): string[] {
  const written: string[] = [];
  const folders = Math.max(3, Math.ceil(files / 12));
  for (let at = 0; at < files; at += 1) {
    const folder = path.join(root, `department-${at % 3}`, `folder-${random.below(folders)}`);
    fs.mkdirSync(folder, { recursive: true });
    const kind = random.pick(kinds);
    const file = path.join(folder, `${random.pick(words)}-${at}.${kind}`);
    fs.writeFileSync(file, contentOf(random, kind));
    written.push(file);
  }
  return written;
}

export function encrypted(bytes: Buffer): Buffer {
  const cipher = createCipheriv('aes-256-cbc', randomBytes(32), randomBytes(16));
  return Buffer.concat([cipher.update(bytes), cipher.final()]);
}

function encryptedCtr(bytes: Buffer): Buffer {
  const cipher = createCipheriv('aes-256-ctr', randomBytes(32), randomBytes(16));
  return cipher.update(bytes);
}

function overwrite(file: string, bytes: Buffer): void {
  const fd = fs.openSync(file, 'r+');
  fs.writeSync(fd, bytes, 0, bytes.length, 0);
  fs.closeSync(fd);
}

/** Styles of encryptors: each turns one file. */
export const encryptors: Readonly<Record<string, (file: string) => void>> = {
  'in place': (file) => {
    overwrite(file, encryptedCtr(fs.readFileSync(file)));
  },
  'in place, then a new ending': (file) => {
    overwrite(file, encryptedCtr(fs.readFileSync(file)));
    fs.renameSync(file, `${file}.locked`);
  },
  'new file, old one deleted': (file) => {
    fs.writeFileSync(`${file}.enc`, encrypted(fs.readFileSync(file)));
    fs.unlinkSync(file);
  },
  'new file over the old name': (file) => {
    fs.writeFileSync(`${file}~`, encrypted(fs.readFileSync(file)));
    fs.renameSync(`${file}~`, file);
  },
  'new file of a random name': (file) => {
    const name = path.join(path.dirname(file), randomBytes(12).toString('hex'));
    fs.writeFileSync(name, encrypted(fs.readFileSync(file)));
    fs.unlinkSync(file);
  },
  'first 4 KiB in place': (file) => {
    overwrite(file, encryptedCtr(fs.readFileSync(file).subarray(0, 4096)));
  },
  'base64 text in place': (file) => {
    fs.writeFileSync(file, encrypted(fs.readFileSync(file)).toString('base64'));
  },
  'openssl, old one deleted': (file) => {
    const head = Buffer.concat([Buffer.from('Salted__'), randomBytes(8)]);
    fs.writeFileSync(`${file}.enc`, Buffer.concat([head, encrypted(fs.readFileSync(file))]));
    fs.unlinkSync(file);
  },
  'archive a file, old one deleted': (file) => {
    const head = Buffer.from("7z\xbc\xaf'\x1c\x00\x04", 'latin1');
    fs.writeFileSync(`${file}.7z`, Buffer.concat([head, encrypted(fs.readFileSync(file))]));
    fs.unlinkSync(file);
  },
};

/** Writes a text a folder that says what to pay. */
export function leaveNotes(files: readonly string[]): void {
  for (const folder of new Set(files.map((file) => path.dirname(file)))) {
    fs.writeFileSync(path.join(folder, 'HOW_TO_DECRYPT.txt'), 'pay here, or lose all of it\n');
  }
}

type Sync = () => Promise<unknown>;

/** Changes that do no harm: each prepares, syncs, and changes, syncing on its way. */
export const innocents: Readonly<
  Record<string, (root: string, random: Seeded, sync: Sync) => Promise<void>>
> = {
  'git: clone, checkouts, merge, gc': async (root, random, sync) => {
    const origin = path.join(root, 'work');
    fs.mkdirSync(origin);
    const git = gitIn(origin);
    git('init', '-q', '-b', 'main');
    writeOffice(origin, random, 120);
    git('add', '-A');
    git('commit', '-qm', 'first');
    await sync();
    git('checkout', '-qb', 'other');
    for (const file of listFiles(origin)) {
      if (random.chance(0.6))
        fs.writeFileSync(file, contentOf(random, path.extname(file).slice(1)));
      else if (random.chance(0.3)) fs.unlinkSync(file);
    }
    writeOffice(origin, random, 80);
    git('add', '-A');
    git('commit', '-qm', 'second');
    await sync();
    git('checkout', '-q', 'main');
    await sync();
    git('checkout', '-q', 'other');
    await sync();
    gitIn(root)('clone', '-q', 'work', 'copy');
    await sync();
    git('gc', '-q', '--prune=now');
    await sync();
    fs.rmSync(path.join(root, 'copy'), { recursive: true });
    await sync();
  },
  'npm ci: modules away, others in': async (root, random, sync) => {
    const modules = path.join(root, 'node_modules');
    writeModules(modules, random, 60);
    await sync();
    fs.rmSync(modules, { recursive: true });
    if (random.chance(0.5)) await sync();
    writeModules(modules, random, 70);
    await sync();
  },
  'packages upgraded: files replaced by others of their name': async (root, random, sync) => {
    const files = writeOffice(path.join(root, 'usr'), random, 100);
    const programs = path.join(root, 'bin');
    fs.mkdirSync(programs);
    const program = fs.readFileSync('/bin/sh');
    for (let at = 0; at < 20; at += 1) fs.writeFileSync(path.join(programs, `p${at}`), program);
    await sync();
    for (const file of files) {
      fs.writeFileSync(`${file}.dpkg-new`, contentOf(random, path.extname(file).slice(1)));
      fs.renameSync(`${file}.dpkg-new`, file);
    }
    for (let at = 0; at < 20; at += 1) {
      const start = random.below(1000);
      fs.writeFileSync(
        path.join(programs, `p${at}.dpkg-new`),
        Buffer.concat([program.subarray(0, 64), program.subarray(start)]),
      );
      fs.renameSync(path.join(programs, `p${at}.dpkg-new`), path.join(programs, `p${at}`));
    }
    await sync();
  },
  'SQLite: big load of random blobs, deletes, VACUUM': async (root, random, sync) => {
    const db = new Database(path.join(root, 'app.db'));
    db.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT, blob BLOB)');
    const insert = db.prepare('INSERT INTO t (text, blob) VALUES (?, ?)');
    const load = (rows: number, blobBytes: number): void => {
      db.transaction(() => {
        for (let at = 0; at < rows; at += 1)
          insert.run(textOf(random, 400).toString(), random.bytes(blobBytes));
      })();
    };
    load(1000, 20);
    await sync();
    db.exec('DELETE FROM t WHERE id % 3 = 0');
    load(300, 20_000);
    await sync();
    db.exec('DELETE FROM t WHERE id % 5 = 0');
    db.exec('VACUUM');
    await sync();
    db.close();
  },
  'table files rewritten: VACUUM FULL': async (root, random, sync) => {
    const base = path.join(root, 'base', '16384');
    fs.mkdirSync(base, { recursive: true });
    const names = Array.from({ length: 40 }, (_, at) => String(16_400 + at));
    for (const name of names) fs.writeFileSync(path.join(base, name), heapPages(random, 8));
    await sync();
    for (const [at, name] of names.entries()) {
      fs.writeFileSync(path.join(base, String(20_000 + at)), heapPages(random, 5));
      fs.truncateSync(path.join(base, name), 0);
    }
    if (random.chance(0.5)) await sync();
    for (const name of names) fs.unlinkSync(path.join(base, name));
    await sync();
  },
  'logs rotated and gzipped, all at once': async (root, random, sync) => {
    const logs = Array.from({ length: 80 }, (_, at) =>
      path.join(root, `service-${at % 20}`, `log-${at}.log`),
    );
    for (const log of logs) {
      fs.mkdirSync(path.dirname(log), { recursive: true });
      fs.writeFileSync(log, textOf(random, 20_000));
    }
    await sync();
    for (let day = 0; day < 3; day += 1) {
      for (const log of logs) {
        if (fs.existsSync(`${log}.1`)) {
          fs.writeFileSync(`${log}.2.gz`, zlib.gzipSync(fs.readFileSync(`${log}.1`)));
          fs.unlinkSync(`${log}.1`);
        }
        fs.renameSync(log, `${log}.1`);
        fs.writeFileSync(log, textOf(random, 15_000));
      }
      await sync();
    }
  },
  'backups that the application encrypts, old ones deleted': async (root, random, sync) => {
    for (let day = 0; day < 6; day += 1) {
      for (let part = 0; part < 10; part += 1) {
        fs.writeFileSync(path.join(root, `backup-${day}-${part}.enc`), random.bytes(60_000));
        if (day > 1) fs.unlinkSync(path.join(root, `backup-${day - 2}-${part}.enc`));
      }
      await sync();
    }
  },
  'encrypted files written anew under their names': async (root, random, sync) => {
    const files = Array.from({ length: 30 }, (_, at) => path.join(root, `vault-${at}.bin`));
    for (let day = 0; day < 3; day += 1) {
      for (const file of files) fs.writeFileSync(file, random.bytes(3000 + random.below(90_000)));
      await sync();
    }
  },
  'pictures edited, exported, and thumbnails made': async (root, random, sync) => {
    const files = Array.from({ length: 80 }, (_, at) => path.join(root, `img-${at}.jpg`));
    for (const file of files) fs.writeFileSync(file, contentOf(random, 'jpg'));
    await sync();
    for (const file of files) {
      fs.writeFileSync(file, contentOf(random, 'jpg'));
      fs.writeFileSync(
        file.replace('.jpg', '.webp'),
        Buffer.concat([Buffer.from('RIFF1234WEBP'), random.bytes(4000)]),
      );
    }
    await sync();
  },
  'a folder is packed away and deleted': async (root, random, sync) => {
    const old = path.join(root, 'project');
    writeOffice(old, random, 150);
    await sync();
    const all = Buffer.concat(listFiles(old).map((file) => fs.readFileSync(file)));
    fs.writeFileSync(path.join(root, 'project.tar.gz'), zlib.gzipSync(all));
    fs.rmSync(old, { recursive: true });
    await sync();
  },
};

function gitIn(folder: string): (...args: string[]) => void {
  return (...args) => {
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@t', ...args], {
      cwd: folder,
      stdio: 'pipe',
      env: {
        ...process.env,
        GIT_CONFIG_NOSYSTEM: '1',
        HOME: folder,
        GIT_AUTHOR_DATE: '2026-01-01T00:00:00Z',
        GIT_COMMITTER_DATE: '2026-01-01T00:00:00Z',
      },
    });
  };
}

/** Files below a folder, without those of git. */
export function listFiles(folder: string): string[] {
  return fs
    .readdirSync(folder, { withFileTypes: true })
    .filter(({ name }) => name !== '.git')
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const full = path.join(folder, entry.name);
      return entry.isDirectory() ? listFiles(full) : [full];
    });
}

function writeModules(folder: string, random: Seeded, packages: number): void {
  for (let at = 0; at < packages; at += 1) {
    const home = path.join(
      folder,
      random.chance(0.2) ? '@scope' : '.',
      `${random.pick(words)}-${at}`,
    );
    fs.mkdirSync(path.join(home, 'dist'), { recursive: true });
    fs.writeFileSync(path.join(home, 'package.json'), contentOf(random, 'json'));
    fs.writeFileSync(path.join(home, 'LICENSE'), 'the same license for everybody\n'.repeat(30));
    fs.writeFileSync(path.join(home, 'README.md'), contentOf(random, 'md'));
    for (let file = 0; file < 6; file += 1) {
      fs.writeFileSync(path.join(home, 'dist', `f${file}.js`), contentOf(random, 'js'));
    }
    if (random.chance(0.3))
      fs.writeFileSync(path.join(home, 'dist', 'f.js.gz'), zlib.gzipSync(textOf(random, 9000)));
    if (random.chance(0.3))
      fs.writeFileSync(
        path.join(home, 'dist', 'f.wasm'),
        Buffer.concat([Buffer.from('\0asm\x01\0\0\0'), random.bytes(3000)]),
      );
    if (random.chance(0.2))
      fs.writeFileSync(
        path.join(home, 'dist', 'f.js.br'),
        zlib.brotliCompressSync(textOf(random, 9000)),
      );
  }
}

/** Pages as PostgreSQL's heap has them: header, line pointers, tuples. */
function heapPages(random: Seeded, pages: number): Buffer {
  const all: Buffer[] = [];
  for (let at = 0; at < pages; at += 1) {
    const page = Buffer.alloc(8192);
    page.writeUInt32LE(random.below(2 ** 31), 4);
    page.writeUInt16LE(24 + 4 * 40, 12);
    page.writeUInt16LE(1000, 14);
    page.writeUInt16LE(8192, 16);
    page.writeUInt16LE(8196, 18);
    for (let tuple = 0; tuple < 40; tuple += 1) {
      page.writeUInt32LE(8192 - tuple * 170, 24 + tuple * 4);
      textOf(random, 140).copy(page, 8192 - (tuple + 1) * 170);
    }
    all.push(page);
  }
  return Buffer.concat(all);
}
