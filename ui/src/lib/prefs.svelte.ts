// What one person prefers on one machine. Not evidence, not configuration: kept by the browser or the window.
import type { Zone } from './format';

export type Theme = 'system' | 'light' | 'dark';

interface Kept {
  theme: Theme;
  zone: Zone;
  singleKeys: boolean;
}

const NAME = 'holdfast.preferences';
const DEFAULTS: Kept = { theme: 'system', zone: 'local', singleKeys: true };

function read(): Kept {
  try {
    return { ...DEFAULTS, ...(JSON.parse(localStorage.getItem(NAME) ?? '{}') as Partial<Kept>) };
  } catch {
    return DEFAULTS;
  }
}

class Preferences {
  theme = $state<Theme>('system');
  zone = $state<Zone>('local');
  singleKeys = $state(true);

  constructor() {
    Object.assign(this, read());
    $effect.root(() => {
      $effect(() => {
        const { theme, zone, singleKeys } = this;
        document.documentElement.dataset['theme'] = theme;
        try {
          localStorage.setItem(NAME, JSON.stringify({ theme, zone, singleKeys }));
        } catch {
          // A browser that keeps nothing still works; the preference lasts for this page.
        }
      });
    });
  }
}

export const prefs = new Preferences();
