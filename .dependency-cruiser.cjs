/** Import direction: cli → agent | replica → shared; agent and replica never meet; no cycles. */
module.exports = {
  forbidden: [
    { name: 'no-cycle', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'shared-imports-shared',
      severity: 'error',
      from: { path: '^shared/' },
      to: { path: '^(agent|replica|cli|console|bench|test)/' },
    },
    {
      name: 'console-imports-shared',
      severity: 'error',
      from: { path: '^console/' },
      to: { path: '^(agent|replica|cli|bench|test)/' },
    },
    {
      name: 'agent-not-replica',
      severity: 'error',
      from: { path: '^agent/' },
      to: { path: '^(replica|cli|bench|test)/' },
    },
    {
      name: 'replica-not-agent',
      severity: 'error',
      from: { path: '^replica/' },
      to: { path: '^(agent|cli|bench|test)/' },
    },
    {
      name: 'product-not-bench',
      severity: 'error',
      from: { path: '^(cli|agent|replica|shared)/' },
      to: { path: '^(bench|test)/' },
    },
    { name: 'unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.base.json' },
    tsPreCompilationDeps: true,
  },
};
