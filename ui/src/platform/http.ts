// The browser's side: POST /api/{command}, GET /events (server-sent events), GET /media/{session}.
import type { ApiEvent } from '../bindings';
import { MediaPlayback } from './media';
import { Failure, NOTHING_CHANGED, type Answer, type Command, type Platform, type Playback, type PlaybackRequest, type Request } from './types';

const UNREACHABLE = 'Holdfast does not answer.';
const START_AGAIN = 'See that “holdfast serve” is still running, and open the address it prints when it starts.';

/** Trades the token in the address (`#token=…`) for a cookie, once, and takes it out of the address and the history. */
export async function signIn(): Promise<void> {
  const token = new URLSearchParams(location.hash.replace(/^#\/?/, '')).get('token');
  if (!token) return;
  history.replaceState(null, '', location.pathname);
  const answer = await fetch('session', { method: 'POST', headers: { authorization: `Bearer ${token}` } }).catch(() => null);
  if (!answer?.ok) {
    throw new Failure('gateway.token', 'This address is not valid any more.', START_AGAIN, NOTHING_CHANGED);
  }
}

export class HttpPlatform implements Platform {
  readonly name = 'browser';

  async call<C extends Command>(command: C, request: Request<C>): Promise<Answer<C>> {
    let answer: Response;
    try {
      answer = await fetch(`api/${command}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(request),
        // A page that is being closed still tells that its playback ended.
        keepalive: command === 'player',
      });
    } catch {
      throw new Failure('ui.unreachable', UNREACHABLE, START_AGAIN, NOTHING_CHANGED);
    }
    const body: unknown = await answer.json().catch(() => null);
    if (answer.ok) return body as Answer<C>;
    const error = (body as { error?: unknown } | null)?.error;
    throw Failure.from(error ?? new Failure('ui.unreachable', UNREACHABLE, START_AGAIN, NOTHING_CHANGED));
  }

  events(listener: (event: ApiEvent) => void, connected: (up: boolean) => void): () => void {
    const source = new EventSource('events');
    source.onopen = () => connected(true);
    source.onerror = () => connected(false);
    source.onmessage = (message) => listener(JSON.parse(message.data as string) as ApiEvent);
    return () => source.close();
  }

  async playback(request: PlaybackRequest): Promise<Playback> {
    const { id, reason, matter } = request;
    const session = await this.call('play', { id, ...(reason ? { reason } : {}), ...(matter ? { matter } : {}), here: false });
    const url = (who: string): string => `${session.media_path.replace(/^\//, '')}?channels=${who}`;
    return new MediaPlayback(session, request, url, () => this.call('player', { session: session.session, action: { do: 'stop' } }));
  }
}
