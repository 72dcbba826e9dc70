/**
 * Keys pressed while a part of the page is still being fetched belong to that part: a field out of sight
 * takes them, so that they never land in the text that everyone shares.
 */
export class Ahead {
  readonly #before = document.activeElement as HTMLElement | null
  readonly #field = document.createElement('input')

  constructor(label: string) {
    this.#field.className = 'visually-hidden'
    this.#field.setAttribute('aria-label', label)
    this.#field.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.#back()
    })
    document.body.append(this.#field)
    this.#field.focus({ preventScroll: true })
  }

  /** What was typed; null when the person has turned to something else meanwhile. */
  end(): string | null {
    const typed = document.activeElement === this.#field ? this.#field.value : null
    if (typed !== null) this.#back()
    this.#field.remove()
    return typed
  }

  #back(): void {
    this.#before?.focus({ preventScroll: true })
  }
}
