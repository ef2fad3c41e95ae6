// One event stream for all tabs of this browser: HTTP/1.1 gives a host six connections, and a stream holds one for
// good. The tab that holds the lock has the stream and passes everything on; when it closes, the next one in the
// queue takes over. A holder that has gone silent (frozen by the browser) loses the lock to a tab that is looked at.
export type StreamState = 'opening' | 'open' | 'lost';

export interface Change {
  name: (typeof NAMES)[number];
  /** The change's number, where it has one; what is fetched says up to which one it knows. */
  id: number;
  /** JSON. */
  data: string;
}

export interface Heard {
  change: (change: Change) => void;
  /** Told once for each state; at every `open` whoever listens has to catch up. */
  state: (state: StreamState) => void;
  /** The server refused the stream: it alone knows why. */
  refused: () => void;
}

type Said = { kind: 'hello' } | { kind: 'beat'; state: StreamState } | { kind: 'change'; change: Change };

const NAMES = ['examination', 'examination_gone', 'capture', 'alarm'] as const;
const REOPEN_MS = 2000;
const BEAT_MS = 1000;
const SILENT_MS = 4000;

/** Listens for one person to what an address streams, until the returned function is called. */
export function follow(who: string, address: string, heard: Heard): () => void {
  const name = `sonorelay.stream.${who}`;
  const channel = new BroadcastChannel(name);
  const ended = new AbortController();
  let known: StreamState | undefined;
  let leading = false;
  let lastHeard = performance.now();

  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel has one origin only
  const say = (said: Said): void => channel.postMessage(said);
  function take(state: StreamState): void {
    lastHeard = performance.now();
    if (state === known) return;
    known = state;
    heard.state(state);
  }

  /** Holds the stream until the signal says that the lead is over. */
  function lead(over: AbortSignal): Promise<void> {
    let stream: EventSource | undefined;
    let reopening = 0;
    let state: StreamState = 'opening';
    // The alarms come whole, and only once to a stream that begins: who joins later gets them from here.
    let alarm: Change | undefined;
    const turn = (to: StreamState): void => {
      state = to;
      say({ kind: 'beat', state });
      take(state);
    };
    function begin(): void {
      const opened = new EventSource(address);
      stream = opened;
      opened.addEventListener('open', () => turn('open'));
      for (const each of NAMES)
        opened.addEventListener(each, (message: MessageEvent<string>) => {
          const change = { name: each, id: Number(message.lastEventId), data: message.data };
          if (each === 'alarm') alarm = change;
          say({ kind: 'change', change });
          heard.change(change);
        });
      opened.addEventListener('error', () => {
        turn('lost');
        // The browser reconnects by itself after a cut, but not after an error answer.
        if (opened.readyState !== EventSource.CLOSED) return;
        heard.refused();
        reopening = window.setTimeout(begin, REOPEN_MS);
      });
    }
    turn('opening');
    begin();
    const beat = () => say({ kind: 'beat', state });
    const beating = setInterval(beat, BEAT_MS);
    const answer = ({ data }: MessageEvent<Said>) => {
      if (data.kind !== 'hello') return;
      beat();
      if (alarm) say({ kind: 'change', change: alarm });
    };
    channel.addEventListener('message', answer);
    leading = true;
    return new Promise((resolve) => {
      over.addEventListener('abort', () => {
        leading = false;
        clearTimeout(reopening);
        clearInterval(beating);
        channel.removeEventListener('message', answer);
        stream?.close();
        resolve();
      });
    });
  }

  async function queue(steal = false): Promise<void> {
    const over = new AbortController();
    const end = () => over.abort();
    ended.signal.addEventListener('abort', end);
    try {
      const how = steal ? { steal } : { signal: ended.signal };
      await navigator.locks.request(name, how, () => lead(over.signal));
    } catch {
      // Another tab has taken over, or nobody listens here any more.
    }
    end();
    ended.signal.removeEventListener('abort', end);
    if (ended.signal.aborted || steal) return;
    greet();
    void queue();
  }

  /** Asks the leader how things stand; its answer counts as news. */
  function greet(): void {
    known = undefined;
    lastHeard = performance.now();
    say({ kind: 'hello' });
  }

  channel.addEventListener('message', ({ data }: MessageEvent<Said>) => {
    if (leading) return;
    if (data.kind === 'beat') take(data.state);
    else if (data.kind === 'change') heard.change(data.change);
  });
  const watching = setInterval(() => {
    const silent = performance.now() - lastHeard > SILENT_MS;
    if (leading || !silent || document.visibilityState !== 'visible') return;
    lastHeard = performance.now();
    void queue(true);
  }, BEAT_MS);
  const looked = () => document.visibilityState === 'visible' && !leading && greet();
  document.addEventListener('visibilitychange', looked);
  greet();
  void queue();

  return () => {
    ended.abort();
    clearInterval(watching);
    document.removeEventListener('visibilitychange', looked);
    channel.close();
  };
}
