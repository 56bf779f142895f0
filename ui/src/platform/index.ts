import { HttpPlatform, signIn } from './http';
import type { Platform } from './types';

export { Failure, NOTHING_CHANGED } from './types';
export type { Answer, Command, Platform, Playback, Request } from './types';

let chosen: Platform | undefined;

/** Finds out what carries the pages; once, before anything is drawn. */
export async function connect(): Promise<Platform> {
  if ('__TAURI_INTERNALS__' in window) {
    const { TauriPlatform } = await import('./tauri');
    chosen = new TauriPlatform();
  } else {
    await signIn();
    chosen = new HttpPlatform();
  }
  return chosen;
}

/** What carries the pages. */
export function platform(): Platform {
  if (!chosen) throw new Error('connect() was not called');
  return chosen;
}

export const call: Platform['call'] = (command, request) => platform().call(command, request);
