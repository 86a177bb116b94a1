# The optional native part: system calls that Node lacks. Built by build.js, loaded by
# shared/posix/load-posix.ts; everything works without it, minus what Posix.missing lists.
{
  # Where libipsec-mb lies when build.js found one that fits, to be linked into the addon.
  'variables': { 'ipsec_mb%': '<!(node -p "process.env.AFTERIMAGE_IPSEC_MB || \'\'")' },
  'targets': [
    {
      'target_name': 'afterimage_native',
      'sources': [
        'src/addon.cc',
        'src/arguments.cc',
        'src/clone.cc',
        'src/extents.cc',
        'src/feed.cc',
        'src/feed-batch.cc',
        'src/feed-events.cc',
        'src/feed-folders.cc',
        'src/feed-id.cc',
        'src/feed-judge.cc',
        'src/feed-roots.cc',
        'src/feed-thread.cc',
        'src/file.cc',
        'src/fuse.cc',
        'src/fuse-reader.cc',
        'src/make-files.cc',
        'src/metadata.cc',
        'src/new-files.cc',
        'src/scan.cc',
        'src/seal.cc',
        'src/seal-arguments.cc',
        'src/small-files.cc',
        'src/status.cc',
        'src/system-error.cc',
        'src/tree-scan-class.cc',
        'src/tree-scan.cc',
        'src/vector-seal.cc',
        'src/writers.cc',
      ],
      'defines': ['NAPI_VERSION=8', 'NAPI_CPP_EXCEPTIONS', 'NODE_ADDON_API_CPP_EXCEPTIONS_ALL'],
      'cflags!': ['-fno-exceptions'],
      'cflags_cc!': ['-fno-exceptions', '-fno-rtti'],
      'cflags_cc': [
        '-std=c++17',
        '-fvisibility=hidden',
        '-Wall',
        '-Wextra',
        '-Werror',
        '-isystem',
        # as a system folder, so that -Werror judges our sources only; make runs in build/
        '<!(node -p "path.relative(\'build\', require(\'node-addon-api\').include_dir)")',
      ],
      'conditions': [
        [
          'ipsec_mb!=""',
          {
            'defines': ['AFTERIMAGE_IPSEC_MB'],
            'libraries': ['<(ipsec_mb)'],
            # its symbols stay inside
            'ldflags': ['-Wl,--exclude-libs,ALL', '-Wl,--gc-sections'],
          },
        ],
      ],
    },
  ],
}
