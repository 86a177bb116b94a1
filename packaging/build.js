/**
 * `npm run package`: a Debian package of what `npm run build` made, in dist/package. It carries the Node
 * that built it, because native modules fit one version of Node only, the packages the product needs to
 * run, the services, the manual page and completions.
 *
 *   node packaging/build.js            dist/package/afterimage_VERSION_ARCH.deb
 *   node packaging/build.js --quick    packed less tightly
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const here = dirname(fileURLToPath(import.meta.url));
const project = dirname(here);
const out = join(project, 'dist', 'package');
const root = join(out, 'root');
const home = join(root, 'usr', 'lib', 'afterimage');
const addonFile = 'native/build/Release/afterimage_native.node';
const { version } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'));
/** For tests: what is packed faster is larger. */
const isQuick = process.argv.includes('--quick');

const run = (program, args, options = {}) =>
  execFileSync(program, args, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024, ...options });

/** Output of one run of the built command line. */
const afterimage = (...args) =>
  run(process.execPath, [join(project, 'dist', 'cli', 'main.js'), ...args]);

function place(path, content, mode = 0o644) {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content, { mode });
  chmodSync(file, mode);
}

/** Rooms of the product; tests, benches and types stay behind. */
function copyProduct() {
  for (const room of ['cli', 'agent', 'replica', 'shared', 'assembly', 'console']) {
    cpSync(join(project, 'dist', room), join(home, 'dist', room), {
      recursive: true,
      filter: (path) => !/\.(d\.ts|tsbuildinfo|map)$/.test(path),
    });
  }
  copyFileSync(join(project, 'package.json'), join(home, 'package.json'));
  const native = [
    addonFile,
    'native/tracker/build/Release/afterimage_tracker.node',
    'native/tracker/ranges.bpf.o',
  ];
  for (const file of native) {
    if (!existsSync(join(project, file))) {
      console.error(`not in the package, because it was not built: ${file}`);
      continue;
    }
    mkdirSync(dirname(join(home, file)), { recursive: true });
    copyFileSync(join(project, file), join(home, file));
  }
}

/** What npm says the product needs to run, without sources of native modules. */
function copyDependencies() {
  const listed = run('npm', ['ls', '--omit=dev', '--all', '--parseable'], { cwd: project })
    .split('\n')
    .filter((path) => path.includes('/node_modules/'));
  for (const path of listed) {
    cpSync(path, join(home, relative(project, path)), {
      recursive: true,
      filter: (from) => {
        const inside = relative(path, from);
        if (inside.split('/').includes('node_modules')) return false;
        if (
          /(^|\/)(deps|src|obj|obj\.target|test|tests|docs|benchmarks?|examples?|\.github)$/.test(
            inside,
          )
        ) {
          return (
            !lstatSync(from).isDirectory() || inside.startsWith('dist') || isNeeded(path, inside)
          );
        }
        return !/\.(md|markdown|map|ts|mts|cts|cc|cpp|c|h|gyp|gypi|o|a|mk|stamp)$/i.test(inside);
      },
    });
  }
}

/** Some packages run what they call their sources, at the top or below `lib`. */
function isNeeded(packageFolder, inside) {
  if (basename(inside) !== 'src') return false;
  return !existsSync(join(packageFolder, 'binding.gyp'));
}

function copyNode() {
  const node = join(home, 'node');
  copyFileSync(process.execPath, node);
  chmodSync(node, 0o755);
  run('strip', ['--strip-unneeded', node]);
}

function placeTexts() {
  place(
    'usr/bin/afterimage',
    '#!/bin/sh\nexec /usr/lib/afterimage/node /usr/lib/afterimage/dist/cli/main.js "$@"\n',
    0o755,
  );
  for (const unit of readdirSync(join(here, 'systemd'))) {
    place(`usr/lib/systemd/system/${unit}`, readFileSync(join(here, 'systemd', unit)));
  }
  place('usr/share/man/man1/afterimage.1.gz', gzipSync(afterimage('man'), { level: 9 }));
  place('usr/share/bash-completion/completions/afterimage', afterimage('completion', 'bash'));
  place('usr/share/zsh/vendor-completions/_afterimage', afterimage('completion', 'zsh'));
  place('usr/share/fish/vendor_completions.d/afterimage.fish', afterimage('completion', 'fish'));
  const docs = 'usr/share/doc/afterimage';
  for (const name of ['replica.yaml', 'agent.yaml']) {
    place(`${docs}/examples/${name}`, readFileSync(join(here, 'config', name)));
  }
  for (const folder of ['guide', 'reference', 'observability']) {
    const from = join(project, 'docs', folder);
    if (existsSync(from)) cpSync(from, join(root, docs, folder), { recursive: true });
  }
  place(`${docs}/copyright`, copyright());
  place(
    `${docs}/changelog.gz`,
    gzipSync(readFileSync(join(project, 'CHANGELOG.md')), { level: 9 }),
  );
  mkdirSync(join(root, 'etc', 'afterimage'), { recursive: true });
}

/** What is linked into the addon has a licence that wants to be told. */
function linkedCopyright() {
  const addon = join(project, addonFile);
  const linked = existsSync(addon) ? createRequire(import.meta.url)(addon).linked : '';
  return linked === '' ? '' : readFileSync(join(here, 'libipsec-mb.copyright'), 'utf8');
}

function copyright() {
  return `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: afterimage

Files: *
Copyright: the Afterimage authors
License: Apache-2.0
 See /usr/share/common-licenses/Apache-2.0. Packages below /usr/lib/afterimage/node_modules and Node.js
 itself have licences of their own; each package's folder holds its own.
${linkedCopyright()}`;
}

/** Shared libraries that the package's binaries are linked to, in Debian's words. */
function libraries() {
  const binaries = run('find', [home, '-name', '*.node', '-o', '-name', 'node', '-type', 'f'])
    .split('\n')
    .filter((path) => path !== '');
  const work = join(out, 'shlibs');
  mkdirSync(join(work, 'debian'), { recursive: true });
  writeFileSync(
    join(work, 'debian', 'control'),
    'Source: afterimage\n\nPackage: afterimage\nArchitecture: any\n',
  );
  const said = run(
    'dpkg-shlibdeps',
    ['-O', '--ignore-missing-info', ...binaries.map((path) => `-e${path}`)],
    {
      cwd: work,
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  rmSync(work, { recursive: true, force: true });
  return said.replace(/^shlibs:Depends=/, '').trim();
}

function placeControl(architecture) {
  const control = join(root, 'DEBIAN');
  mkdirSync(control, { recursive: true });
  const kib = Number(run('du', ['-sk', root]).split('\t')[0]);
  writeFileSync(
    join(control, 'control'),
    `Package: afterimage
Version: ${version}
Section: admin
Priority: optional
Architecture: ${architecture}
Maintainer: The Afterimage authors <afterimage@localhost>
Installed-Size: ${kib}
Depends: ${libraries()}, adduser
Recommends: nats-server (>= 2.10)
Suggests: fuse3, rsync
Description: continuous replication of application files, with every past state
 The agent follows what changes on an application server and holds the
 application for the moment of the image; the replica keeps a full copy and
 a recovery point after every sync; the command line, the HTTP API and the
 console bring any of them back.
`,
  );
  for (const script of readdirSync(join(here, 'debian'))) {
    copyFileSync(join(here, 'debian', script), join(control, script));
    chmodSync(join(control, script), 0o755);
  }
}

/** Files as a package has them: owned by root (dpkg-deb sees to it), writable by their owner alone. */
function setModes() {
  run('chmod', ['-R', 'u+rwX,go+rX,go-w', root]);
}

rmSync(out, { recursive: true, force: true });
mkdirSync(home, { recursive: true });
copyProduct();
copyDependencies();
copyNode();
placeTexts();
const architecture = run('dpkg', ['--print-architecture']).trim();
placeControl(architecture);
setModes();
const file = join(out, `afterimage_${version}_${architecture}.deb`);
const packing = isQuick ? ['-Zgzip', '-z1'] : ['-Zxz', '-z6'];
run('dpkg-deb', ['--root-owner-group', ...packing, '--build', root, file]);
rmSync(root, { recursive: true, force: true });
console.log(relative(project, file));
