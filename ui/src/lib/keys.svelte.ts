// Keyboard shortcuts: declared where they work, listed under `?`, and silent while somebody writes.
import { untrack } from 'svelte';
import { prefs } from './prefs.svelte';

export interface Shortcut {
  /** `v`, `?`, `g s` (one after the other), `Ctrl+a`. */
  keys: string;
  label: string;
  group: string;
  run: () => void;
}

const SEQUENCE_MS = 1200;

class Keys {
  all = $state.raw<Shortcut[]>([]);
  #first = '';
  #at = 0;

  /** For an effect: these work until it is undone. */
  add(shortcuts: Shortcut[]): () => void {
    // The effect that declares shortcuts must not depend on everybody else's.
    untrack(() => (this.all = [...this.all, ...shortcuts]));
    return () => untrack(() => (this.all = this.all.filter((s) => !shortcuts.includes(s))));
  }

  handle(event: KeyboardEvent): void {
    if (event.defaultPrevented || event.altKey || isWriting(event.target) || document.querySelector('dialog[open]')) return;
    const modified = event.ctrlKey || event.metaKey;
    if (!modified && !prefs.singleKeys) return;
    const key = (modified ? 'Ctrl+' : '') + event.key;
    const now = event.timeStamp;
    const sequence = this.#first && now - this.#at < SEQUENCE_MS ? `${this.#first} ${key}` : key;
    const found = this.all.findLast((s) => s.keys === sequence) ?? this.all.findLast((s) => s.keys === key);
    this.#first = found ? '' : key;
    this.#at = now;
    if (!found) return;
    event.preventDefault();
    found.run();
  }
}

function isWriting(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) return !['checkbox', 'radio', 'range', 'button'].includes(target.type);
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement || target.isContentEditable;
}

export const keys = new Keys();
