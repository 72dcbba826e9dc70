/** A document's name: folders quiet, and the first to give way when there is no room. */
import { splitName } from '../name'

export function Path({ name }: { name: string }) {
  const { folders, last } = splitName(name)
  return (
    <span class="path">
      {folders.length > 0 && <span class="path-folders">{folders.map((folder, i) => <span key={i}><bdi>{folder}</bdi><i>/</i></span>)}</span>}
      <bdi class="path-last">{last}</bdi>
    </span>
  )
}
