/** Texts that every page shows on which somebody acts. */
export const acting = {
  needs: (role: string) => `This needs a token with the role ${role}.`,
  cancel: 'Cancel',
  copy: 'Copy',
  copied: 'Copied',
  copyFailed: 'The browser did not allow it: select the text and copy it by hand.',
  more: 'Show more',
  all: 'All',
  anySet: 'Every set',
  set: 'Set',
  none: 'None',
  never: 'never',
  typeName: (name: string) => `Type ${name} to confirm`,
} as const;
