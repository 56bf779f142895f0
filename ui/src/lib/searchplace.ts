/** How the list of results was left, for coming back to it. */
export const left: { key: string | null; position: number; selected: Set<string> } = { key: null, position: 0, selected: new Set() };
