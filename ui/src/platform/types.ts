// The one interface between the pages and whatever carries them. Nothing else in the UI knows Tauri or HTTP.
import type { ApiEvent, Commands, PlayerState, PlaySession } from '../bindings';

export type Command = keyof Commands;
export type Request<C extends Command> = Commands[C]['request'];
export type Answer<C extends Command> = Commands[C]['answer'];

/** An error as people get it: what happened, what it means for the evidence, what to do next. */
export class Failure extends Error {
  readonly code: string;
  readonly next: string;
  readonly evidence: string;

  constructor(code: string, message: string, next: string, evidence: string) {
    super(message);
    this.name = 'Failure';
    this.code = code;
    this.next = next;
    this.evidence = evidence;
  }

  /** Anything thrown or sent, as a failure. */
  static from(cause: unknown): Failure {
    if (cause instanceof Failure) return cause;
    if (typeof cause === 'object' && cause !== null && 'code' in cause && 'message' in cause) {
      const c = cause as Record<string, unknown>;
      return new Failure(String(c['code']), String(c['message']), String(c['next'] ?? ''), String(c['evidence'] ?? ''));
    }
    const message = cause instanceof Error ? cause.message : String(cause);
    return new Failure('ui.unexpected', message, 'Try again; if it happens again, report it with these words.', NOTHING_CHANGED);
  }
}

export const NOTHING_CHANGED = 'No recording was changed. What had been written to the ledger stands in it.';

/** One playback, wherever the sound comes out. */
export interface Playback {
  readonly session: PlaySession;
  play(): Promise<void>;
  pause(): Promise<void>;
  seek(toMs: number): Promise<void>;
  speed(factor: number): Promise<void>;
  volume(level: number): Promise<void>;
  channels(who: 'both' | 'agent' | 'customer'): Promise<void>;
  /** Ends it; its outcome goes to the ledger. */
  stop(): Promise<void>;
}

export interface PlaybackRequest {
  id: string;
  reason?: string;
  matter?: string;
  /** Where a screen recording is shown; absent for sound. */
  video?: HTMLVideoElement;
  /** Called on every change, and often enough to move a cursor while it plays. */
  onState(state: PlayerState): void;
  onFailure(failure: Failure): void;
}

export interface Platform {
  /** `window` or `browser`, for the few sentences that differ. */
  readonly name: 'window' | 'browser';
  call<C extends Command>(command: C, request: Request<C>): Promise<Answer<C>>;
  /** Tells `listener` everything that happens, and `connected` whenever the line comes or goes. Returns the way to stop. */
  events(listener: (event: ApiEvent) => void, connected: (up: boolean) => void): () => void;
  playback(request: PlaybackRequest): Promise<Playback>;
}
