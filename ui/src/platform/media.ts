// Playback through an HTML media element: sound in the browser, screen recordings everywhere.
import type { PlayerState, PlaySession } from '../bindings';
import { Failure, NOTHING_CHANGED, type Playback, type PlaybackRequest } from './types';

type Who = 'both' | 'agent' | 'customer';

export class MediaPlayback implements Playback {
  readonly session: PlaySession;
  #element: HTMLMediaElement;
  #request: PlaybackRequest;
  #url: (who: Who) => string;
  #tellStop: () => Promise<unknown>;
  #who: Who = 'both';
  #stopped = false;
  #frame = 0;

  constructor(session: PlaySession, request: PlaybackRequest, url: (who: Who) => string, tellStop: () => Promise<unknown>) {
    this.session = session;
    this.#request = request;
    this.#url = url;
    this.#tellStop = tellStop;
    this.#element = request.video ?? new Audio();
    for (const name of ['play', 'pause', 'seeked', 'ended', 'ratechange', 'volumechange', 'durationchange'] as const) {
      this.#element.addEventListener(name, this.#changed);
    }
    this.#element.addEventListener('error', this.#broken);
    this.#element.preload = 'auto';
    this.#element.src = url('both');
  }

  async play(): Promise<void> {
    await this.#element.play();
  }

  async pause(): Promise<void> {
    this.#element.pause();
  }

  async seek(toMs: number): Promise<void> {
    this.#element.currentTime = toMs / 1000;
    this.#changed();
  }

  async speed(factor: number): Promise<void> {
    this.#element.playbackRate = factor;
  }

  async volume(level: number): Promise<void> {
    this.#element.volume = level;
  }

  async channels(who: Who): Promise<void> {
    const { currentTime, paused, playbackRate } = this.#element;
    this.#who = who;
    this.#element.src = this.#url(who);
    this.#element.currentTime = currentTime;
    this.#element.defaultPlaybackRate = playbackRate;
    this.#element.playbackRate = playbackRate;
    if (!paused) await this.#element.play();
    this.#changed();
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    cancelAnimationFrame(this.#frame);
    this.#element.removeEventListener('error', this.#broken);
    this.#element.pause();
    this.#element.removeAttribute('src');
    this.#element.load();
    await this.#tellStop();
  }

  #state(): PlayerState {
    const e = this.#element;
    const length = Number.isFinite(e.duration) ? Math.round(e.duration * 1000) : this.session.duration_ms;
    return {
      session: this.session.session,
      state: this.#stopped ? 'stopped' : e.ended ? 'ended' : e.paused ? 'paused' : 'playing',
      position_ms: Math.round(e.currentTime * 1000),
      duration_ms: length,
      speed: e.playbackRate,
      volume: e.volume,
      channels: this.#who,
    };
  }

  #changed = (): void => {
    if (this.#stopped) return;
    this.#request.onState(this.#state());
    cancelAnimationFrame(this.#frame);
    if (!this.#element.paused && !this.#element.ended) this.#frame = requestAnimationFrame(this.#changed);
  };

  #broken = (): void => {
    if (this.#stopped) return;
    const why = this.#element.error?.message || 'The media could not be read.';
    this.#request.onFailure(
      new Failure('ui.media', `Playing stopped: ${why}`, 'Verify the recording, then play it again. “Details” names its format.', NOTHING_CHANGED),
    );
  };
}
