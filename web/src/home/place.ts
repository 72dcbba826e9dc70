/** Where one is among the documents, and the address of that. */
import { encodeName, nameProblem } from '../name'

export type View = 'recent' | 'shared' | 'trash'

/** A folder, of which the one without a name has everything in it, perhaps searched; or one of the other views. */
export type Place = { view: 'folder'; folder: string; q: string } | { view: View }

const VIEWS: Record<string, View> = { '/recent': 'recent', '/shared': 'shared', '/trash': 'trash' }

export const TOP: Place = { view: 'folder', folder: '', q: '' }

/** Null where no place can be. */
export function placeAt({ pathname, search }: { pathname: string; search: string }): Place | null {
  const view = VIEWS[pathname]
  if (view) return { view }
  const q = (new URLSearchParams(search).get('q') ?? '').trim()
  if (pathname === '/') return { view: 'folder', folder: '', q }
  if (!pathname.startsWith('/in/')) return null
  try {
    const folder = decodeURIComponent(pathname.slice('/in/'.length)).replace(/\/+$/, '')
    return nameProblem(folder) === null ? { view: 'folder', folder, q } : null
  } catch {
    return null
  }
}

export function pathOf(place: Place): string {
  if (place.view !== 'folder') return `/${place.view}`
  const path = place.folder === '' ? '/' : `/in/${encodeName(place.folder)}`
  return place.q ? `${path}?${new URLSearchParams({ q: place.q })}` : path
}

export const folderPath = (folder: string) => pathOf({ view: 'folder', folder, q: '' })
