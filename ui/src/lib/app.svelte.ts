// What every screen shares: who and what this installation is, what goes on, and what is said to the person.
import type { ApiEvent, Status } from '../bindings';
import { Failure, call, platform } from '../platform';
import { Loader } from './loader.svelte';

export interface Task {
  task: string;
  stage: string;
  done: number;
  total: number | null;
  unit: string;
  left_ms: number | null;
  heardAt: number;
}

export interface Notice {
  id: number;
  tone: 'good' | 'bad' | 'plain';
  text: string;
  link?: { text: string; href: string };
}

/** Tasks tell their end; one of which nothing was heard for so long has lost its process. */
const SILENT_MS = 60_000;
const NOTICE_MS = 8_000;

class App {
  status = new Loader<Status>();
  connected = $state(true);
  tasks = $state<Task[]>([]);
  notices = $state<Notice[]>([]);
  polite = $state('');
  assertive = $state('');
  /** Counts changes of jobs: screens that show jobs read again when it changes. */
  jobsChanged = $state(0);
  #noticeId = 0;
  #listeners = new Set<(event: ApiEvent) => void>();

  start(): void {
    void this.refresh();
    platform().events(
      (event) => this.#hear(event),
      (up) => {
        // What happened while the line was down is not told again: read anew.
        if (up && !this.connected) {
          this.jobsChanged += 1;
          void this.refresh();
        }
        this.connected = up;
      },
    );
    setInterval(() => {
      const now = Date.now();
      if (this.tasks.some((t) => now - t.heardAt > SILENT_MS)) this.tasks = this.tasks.filter((t) => now - t.heardAt <= SILENT_MS);
    }, 5000);
  }

  async refresh(): Promise<void> {
    await this.status.run(() => call('status', {}));
  }

  /** Hears every event while the caller's effect lives. */
  listen(listener: (event: ApiEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Said by a screen reader, seen by nobody. */
  announce(text: string, urgent = false): void {
    if (urgent) this.assertive = text;
    else this.polite = text;
  }

  notify(text: string, tone: Notice['tone'] = 'plain', link?: Notice['link']): void {
    const id = ++this.#noticeId;
    this.notices.push({ id, tone, text, ...(link ? { link } : {}) });
    this.announce(text, tone === 'bad');
    // Bad news stays until it is read.
    if (tone !== 'bad') setTimeout(() => this.dismiss(id), NOTICE_MS);
  }

  fail(cause: unknown): void {
    const failure = Failure.from(cause);
    this.notify([failure.message, failure.evidence, failure.next].filter(Boolean).join(' '), 'bad');
  }

  dismiss(id: number): void {
    this.notices = this.notices.filter((n) => n.id !== id);
  }

  async stopTask(task: string): Promise<void> {
    try {
      await call('cancel', { task });
      this.tasks = this.tasks.filter((t) => t.task !== task);
    } catch (cause) {
      this.fail(cause);
    }
  }

  #hear(event: ApiEvent): void {
    if (event.event === 'progress') this.#progress(event);
    if (event.event === 'job') this.jobsChanged += 1;
    if (event.event === 'matter_ready') {
      this.jobsChanged += 1;
      const { verified, failed, matter_id } = event;
      const text = failed > 0 ? `${failed} of ${verified + failed} recordings failed verification.` : `All ${verified} recordings are verified.`;
      this.notify(text, failed > 0 ? 'bad' : 'good', { text: 'Open the matter', href: `#/matters/${encodeURIComponent(matter_id)}` });
    }
    for (const listener of this.#listeners) listener(event);
  }

  #progress(event: Extract<ApiEvent, { event: 'progress' }>): void {
    const { task, stage, done, total, unit, left_ms } = event;
    const over = total !== null && done >= total;
    const rest = this.tasks.filter((t) => t.task !== task);
    if (!over) rest.push({ task, stage, done, total, unit, left_ms, heardAt: Date.now() });
    else if (rest.length !== this.tasks.length) this.announce(`${stage}: done.`);
    this.tasks = rest;
  }
}

export const app = new App();
