/** Texts of a point's folders and files. */
export const point = { versions: { title: (set: string) => `Versions in ${set}` } } as const;
