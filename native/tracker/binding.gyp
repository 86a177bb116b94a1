# The optional tracker of changed ranges. An addon and a build of its own, since it needs libbpf:
# without that, native/ is whole and only this is missing.
{
  'targets': [
    {
      'target_name': 'afterimage_tracker',
      'sources': [
        'addon.cc',
        'exercise.cc',
        'inode.cc',
        'kernel-types.cc',
        'loader.cc',
        'programs.cc',
        '../src/arguments.cc',
        '../src/system-error.cc',
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
        '<!@(pkg-config --cflags libbpf)',
      ],
      'libraries': ['<!@(pkg-config --libs libbpf)'],
    },
  ],
}
