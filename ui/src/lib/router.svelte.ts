// Where the person is, as an address behind `#`: works the same in the window, in a browser and with Back.
export const SCREENS = ['search', 'recording', 'matters', 'jobs', 'archiver', 'custody', 'settings'] as const;
export type Screen = (typeof SCREENS)[number];

export interface Place {
  screen: Screen;
  id: string | null;
  query: URLSearchParams;
}

export function place(hash: string): Place {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?');
  const [name = '', id = ''] = path.split('/');
  const screen = SCREENS.find((s) => s === name) ?? 'search';
  return { screen, id: id ? decodeURIComponent(id) : null, query: new URLSearchParams(query) };
}

export function address(screen: Screen, id?: string, query = ''): string {
  return `#/${screen}${id ? `/${encodeURIComponent(id)}` : ''}${query ? `?${query}` : ''}`;
}

class Router {
  here = $state.raw<Place>(place(location.hash));

  constructor() {
    window.addEventListener('hashchange', () => {
      this.here = place(location.hash);
    });
  }

  go(screen: Screen, id?: string, query = ''): void {
    location.hash = address(screen, id, query);
  }

  /** The same screen with another query, without a step in the history. */
  replace(query: string): void {
    const { screen, id } = this.here;
    history.replaceState(null, '', address(screen, id ?? undefined, query));
    this.here = place(location.hash);
  }
}

export const router = new Router();
