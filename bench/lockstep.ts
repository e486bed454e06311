/** Decides when a stream of the upstream may go on. */
export interface Pace {
  /** Calls `next` when the caller is ready for more; `sent` counts the content events it has been sent so far. */
  wait(caller: number, sent: number, next: () => void): void;
}

/** A pace set by the callers: the upstream sends a write only when the one before has come through the server under test. */
export interface Lockstep extends Pace {
  /** The caller begins a new stream. */
  begin(caller: number): void;
  /** Content events have reached the caller. */
  seen(caller: number, count: number): void;
}

interface Place {
  seen: number;
  sent: number;
  next: (() => void) | undefined;
}

/** Goes on at the next turn of the event loop, whoever reads. */
export const unpaced: Pace = {
  wait: (_caller, _sent, next) => void setImmediate(next),
};

/**
 * The pace for measuring what one event costs: without it, a server slower than the upstream finds several events
 * in one read and looks cheaper than it is; with a timer instead, all servers fall asleep between events, and
 * waking up, which costs each of them the same, is most of what is measured.
 */
export function createLockstep(): Lockstep {
  const places = new Map<number, Place>();

  function goOn(place: Place): void {
    if (place.next === undefined || place.seen < place.sent) return;
    setImmediate(place.next);
    place.next = undefined;
  }

  return {
    begin(caller) {
      places.set(caller, { seen: 0, sent: 0, next: undefined });
    },
    seen(caller, count) {
      const place = places.get(caller);
      if (place === undefined) return;
      place.seen += count;
      goOn(place);
    },
    wait(caller, sent, next) {
      const place = places.get(caller);
      if (place === undefined) return unpaced.wait(caller, sent, next);
      place.sent = sent;
      place.next = next;
      goOn(place);
    },
  };
}
