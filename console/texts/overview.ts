/** Texts of the overview of all sets. */
export const overview = {
  title: 'Sets',
  empty: 'No set yet',
  emptyHint: 'A set appears here when its agent has said hello. Enrol an agent first.',
} as const;
