/** Small settings kept in this browser. A browser that refuses storage only forgets them. */

export function recall<T>(key: string, otherwise: T): T {
  try {
    const kept = localStorage.getItem(`ropewalk:${key}`)
    return kept === null ? otherwise : (JSON.parse(kept) as T)
  } catch {
    return otherwise
  }
}

export function keep(key: string, value: unknown): void {
  try {
    localStorage.setItem(`ropewalk:${key}`, JSON.stringify(value))
  } catch {
    // Private windows and full disks: the setting lasts as long as the page.
  }
}

export function forget(key: string): void {
  try {
    localStorage.removeItem(`ropewalk:${key}`)
  } catch {
    // Nothing was kept.
  }
}

/** Keys that start with `prefix`, without the page's own prefix. */
export function kept(prefix: string): string[] {
  const found: string[] = []
  try {
    for (let i = 0; i < localStorage.length; i++) {
      const key = localStorage.key(i)
      if (key?.startsWith(`ropewalk:${prefix}`)) found.push(key.slice('ropewalk:'.length))
    }
  } catch {
    // Nothing was kept.
  }
  return found
}
