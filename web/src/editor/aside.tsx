/** Texts that were set aside: of windows that had what the name of this document stood for before. */
import { useEffect, useState } from 'preact/hooks'
import { forgetStray, listStrays, strayPath, type Stray } from '../api'
import { splitName } from '../name'
import { Dialog } from '../ui/dialog'
import { Download, Trash } from '../ui/icons'
import { say } from '../ui/toast'
import { useValue } from '../value'
import { ago, exact } from '../when'
import type { Session } from './session'

export function Aside({ session }: { session: Session }) {
  const { name } = session
  const { reading } = useValue(session.saved)
  const [strays, setStrays] = useState<Stray[]>([])
  const [open, setOpen] = useState(false)
  const load = () => listStrays(name).then(setStrays, () => {})
  useEffect(() => void load(), [name])
  if (strays.length === 0) return null
  const forget = async (stray: Stray) => {
    try {
      await forgetStray(name, stray.id)
    } catch {
      say('That did not work. Nothing was changed.')
    }
    await load()
  }
  return (
    <>
      <button type="button" class="foot-place" data-testid="aside" onClick={() => setOpen(true)}>{strays.length} set aside</button>
      {open && (
        <Dialog title="Set aside" onClose={() => setOpen(false)}>
          <p>This document was deleted and begun again, or an older state of it was brought back, while somebody still had it open. What only they had is here.</p>
          <ul class="aside">
            {strays.map((stray) => <Line key={stray.id} name={name} stray={stray} mayForget={!reading} onForget={() => forget(stray)} />)}
          </ul>
        </Dialog>
      )}
    </>
  )
}

function Line({ name, stray, mayForget, onForget }: { name: string; stray: Stray; mayForget: boolean; onForget: () => Promise<void> }) {
  const [sure, setSure] = useState(false)
  const who = stray.by || 'Somebody'
  return (
    <li>
      <span class="aside-who">{who}<time dateTime={new Date(stray.at).toISOString()} title={exact(stray.at)}>{ago(stray.at)}</time></span>
      <a class="button" href={strayPath(name, stray.id)} download={`${splitName(name).last} of ${who}.txt`}><Download />Download</a>
      {!mayForget ? null : sure ? (
        <button type="button" class="button danger" onClick={() => void onForget()}>Really forget it</button>
      ) : (
        <button type="button" class="icon-button" aria-label={`Forget the text of ${who}`} title="Forget it" onClick={() => setSure(true)}><Trash /></button>
      )}
    </li>
  )
}
