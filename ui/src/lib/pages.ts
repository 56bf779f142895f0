// The pages inside a place of the main list.
export const ARCHIVER_PAGES = [
  ['#/archiver', 'Health'],
  ['#/archiver/costs', 'Costs'],
] as const;

export const SETTINGS_PAGES = [
  ['#/settings', 'General'],
  ['#/settings/cloud', 'Cloud'],
  ['#/settings/preflight', 'Preflight'],
] as const;
