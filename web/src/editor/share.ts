/** The text and its address, out of the page. */
import { editPath, splitName } from '../name'
import { saveFile } from '../save-file'
import { say } from '../ui/toast'

export function download(name: string, text: string): void {
  const { last } = splitName(name)
  saveFile(last.includes('.') ? last : `${last}.txt`, new Blob([text], { type: 'text/plain;charset=utf-8' }))
}

export async function copyLink(name: string): Promise<void> {
  const address = location.origin + editPath(name)
  try {
    await navigator.clipboard.writeText(address)
  } catch {
    // Pages that are not served securely have no clipboard: go the old way.
    const field = document.createElement('textarea')
    field.value = address
    field.className = 'visually-hidden'
    document.body.append(field)
    field.select()
    document.execCommand('copy')
    field.remove()
  }
  say('Link copied')
}
