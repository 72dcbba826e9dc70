import { Dialog } from '../ui/dialog'
import { keyName, SHORTCUTS } from './keys'

export function Shortcuts({ markdown, onClose }: { markdown: boolean; onClose: () => void }) {
  return (
    <Dialog title="Keyboard shortcuts" wide onClose={onClose}>
      <div class="shortcuts">
        {SHORTCUTS.map(({ title, keys }) => (
          <section key={title}>
            <h3>{title}</h3>
            <dl>
              {keys.filter(([what]) => markdown || what !== 'Markdown preview').map(([what, key]) => (
                <div key={what}><dt>{what}</dt><dd>{key.split(' ').map((k) => <kbd key={k} class="key">{keyName(k)}</kbd>)}</dd></div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  )
}
