/**
 * Whether an image of a text is shown on a page. One from elsewhere would tell its host who reads the document; one from the API would ask
 * there for what its reader may do and its author may not.
 */
export function isShown(source: string, page: string): boolean {
  if (/^data:image\//i.test(source)) return true
  if (!URL.canParse(source, page)) return false
  const { origin, pathname } = new URL(source, page)
  return origin === new URL(page).origin && !pathname.startsWith('/api/')
}
