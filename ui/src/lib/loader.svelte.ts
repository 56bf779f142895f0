// Something that is fetched: its value, whether it is being fetched, and what went wrong.
import { Failure } from '../platform';

export class Loader<T> {
  value = $state.raw<T | null>(null);
  failure = $state.raw<Failure | null>(null);
  busy = $state(false);
  #latest = 0;

  /** Runs `work`; only the latest call's result counts. The value before stays until the new one is there. */
  async run(work: () => Promise<T>): Promise<T | null> {
    const mine = ++this.#latest;
    this.busy = true;
    try {
      const value = await work();
      if (mine !== this.#latest) return null;
      this.value = value;
      this.failure = null;
      return value;
    } catch (cause) {
      if (mine === this.#latest) this.failure = Failure.from(cause);
      return null;
    } finally {
      if (mine === this.#latest) this.busy = false;
    }
  }

  clear(): void {
    this.#latest += 1;
    this.value = null;
    this.failure = null;
    this.busy = false;
  }
}
