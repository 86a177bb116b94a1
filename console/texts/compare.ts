/** Texts of the comparison of two points. */
export const compare = { title: (set: string) => `Comparison in ${set}` } as const;
