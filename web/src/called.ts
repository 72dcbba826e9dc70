/** Names as others see them: the server's rule. */

/** Characters that there is room for. */
export const ROOM = 40
/** What tells two people of one name apart, the login or that it is a guest, stands behind it. */
const MARK = / \([\w.@+-]{1,64}\)$/

/** As much of a name as there is room for. What tells it apart is never cut. */
export function beginning(name: string, room = ROOM): string {
  const mark = MARK.exec(name)?.[0] ?? ''
  const before = [...name.slice(0, name.length - mark.length)].slice(0, Math.max(0, room - mark.length)).join('')
  return `${before.trim()}${mark}`.trimStart()
}
