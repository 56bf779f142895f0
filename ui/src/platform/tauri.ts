// The window's side: one command and one channel. Sound comes out of this machine through Rust; only screen recordings are
// fetched by the page, from the loopback address and with the key that the shell gives for media alone.
import { Channel, invoke } from '@tauri-apps/api/core';
import type { ApiEvent, PlayerAction, PlayerState, PlaySession } from '../bindings';
import { MediaPlayback } from './media';
import { Failure, type Answer, type Command, type Platform, type Playback, type PlaybackRequest, type Request } from './types';

interface MediaAccess {
  origin: string;
  key: string;
}

const LOOK_EVERY_MS = 100;

class LoudspeakerPlayback implements Playback {
  readonly session: PlaySession;
  #call: (action: PlayerAction) => Promise<PlayerState>;
  #request: PlaybackRequest;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;

  constructor(session: PlaySession, request: PlaybackRequest, call: (action: PlayerAction) => Promise<PlayerState>) {
    this.session = session;
    this.#request = request;
    this.#call = call;
  }

  play = (): Promise<void> => this.#do({ do: 'play' });
  pause = (): Promise<void> => this.#do({ do: 'pause' });
  seek = (toMs: number): Promise<void> => this.#do({ do: 'seek', to_ms: Math.round(toMs) });
  speed = (factor: number): Promise<void> => this.#do({ do: 'speed', factor });
  volume = (level: number): Promise<void> => this.#do({ do: 'volume', level });
  channels = (who: string): Promise<void> => this.#do({ do: 'channels', who });

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#call({ do: 'stop' });
  }

  async #do(action: PlayerAction): Promise<void> {
    clearTimeout(this.#timer);
    try {
      const state = await this.#call(action);
      if (this.#stopped) return;
      this.#request.onState(state);
      if (state.state === 'playing') this.#timer = setTimeout(() => void this.#do({ do: 'state' }), LOOK_EVERY_MS);
    } catch (cause) {
      this.#request.onFailure(Failure.from(cause));
    }
  }
}

export class TauriPlatform implements Platform {
  readonly name = 'window';
  #media: Promise<MediaAccess> | undefined;

  async call<C extends Command>(command: C, request: Request<C>): Promise<Answer<C>> {
    try {
      return await invoke<Answer<C>>('api', { command, request });
    } catch (cause) {
      throw Failure.from(cause);
    }
  }

  events(listener: (event: ApiEvent) => void, connected: (up: boolean) => void): () => void {
    const channel = new Channel<ApiEvent>();
    let open = true;
    channel.onmessage = (event) => {
      if (open) listener(event);
    };
    void invoke('events', { channel }).then(
      () => connected(true),
      () => connected(false),
    );
    return () => {
      open = false;
    };
  }

  async playback(request: PlaybackRequest): Promise<Playback> {
    const { id, reason, matter, video } = request;
    const session = await this.call('play', { id, ...(reason ? { reason } : {}), ...(matter ? { matter } : {}), here: !video });
    const steer = (action: PlayerAction): Promise<PlayerState> => this.call('player', { session: session.session, action });
    if (!video) return new LoudspeakerPlayback(session, request, steer);
    this.#media ??= invoke<MediaAccess>('media_access');
    const { origin, key } = await this.#media;
    const url = (who: string): string => `${origin}${session.media_path}?channels=${who}&key=${key}`;
    return new MediaPlayback(session, request, url, () => steer({ do: 'stop' }));
  }
}
