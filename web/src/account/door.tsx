/** A page that stands before the documents: one card in the middle. */
import './account.css'
import type { ComponentChildren } from 'preact'
import { useEffect } from 'preact/hooks'
import { Mark } from '../ui/icons'

export function Door({ title, lead, children }: { title: string; lead?: ComponentChildren; children?: ComponentChildren }) {
  useEffect(() => {
    document.title = `${title} · Ropewalk`
  }, [title])
  return (
    <main class="door">
      <div class="door-brand"><Mark size={28} /><span>Ropewalk</span></div>
      <div class="door-card">
        <h1>{title}</h1>
        {lead && <p class="door-lead">{lead}</p>}
        {children}
      </div>
    </main>
  )
}
