import { useEffect, useReducer } from 'preact/hooks'

/** A value that can be watched. */
export class Value<T> {
  #watchers = new Set<(now: T) => void>()
  #now: T

  constructor(first: T) {
    this.#now = first
  }

  get now(): T {
    return this.#now
  }

  set(now: T): void {
    if (Object.is(now, this.#now)) return
    this.#now = now
    for (const watcher of [...this.#watchers]) watcher(now)
  }

  /** Calls `watcher` at every change; the answer stops that. */
  watch(watcher: (now: T) => void): () => void {
    this.#watchers.add(watcher)
    return () => void this.#watchers.delete(watcher)
  }
}

/** The value inside a component, drawn again when it changes. */
export function useValue<T>(value: Value<T>): T {
  const [, redraw] = useReducer<number, void>((n) => n + 1, 0)
  const drawn = value.now
  useEffect(() => {
    const stop = value.watch(() => redraw())
    if (!Object.is(drawn, value.now)) redraw()
    return stop
  }, [value])
  return drawn
}
