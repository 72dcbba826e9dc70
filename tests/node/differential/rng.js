// A small generator of numbers: the same seed gives the same run on every machine.

export class Rng {
  #state

  constructor(seed) {
    // The low and the high half of the seed both count.
    this.#state = (seed ^ Math.imul(Math.floor(seed / 2 ** 32), 0x9e3779b1)) | 0
  }

  next() {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let word = this.#state
    word = Math.imul(word ^ (word >>> 15), word | 1)
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61)
    return (word ^ (word >>> 14)) >>> 0
  }

  /** A number below `end`. */
  below(end) {
    return end > 0 ? this.next() % end : 0
  }

  chance(oneIn) {
    return this.below(oneIn) === 0
  }

  pick(of) {
    return of[this.below(of.length)]
  }

  shuffled(list) {
    const out = [...list]
    for (let at = out.length - 1; at > 0; at--) {
      const other = this.below(at + 1)
      const kept = out[at]
      out[at] = out[other]
      out[other] = kept
    }
    return out
  }
}
