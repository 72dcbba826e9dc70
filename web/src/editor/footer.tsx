import type { Counts } from '../cm/counts'
import { useValue, type Value } from '../value'
import { count } from '../when'
import { Aside } from './aside'
import { keyName, KEYS } from './keys'
import type { Session } from './session'
import { StateLine } from './state-line'

interface FooterProps {
  session: Session
  counts: Value<Counts>
  label: string
  usable: boolean
  onJump: () => void
}

export function Footer({ session, counts, label, usable, onJump }: FooterProps) {
  const { words, characters, selected, line, column } = useValue(counts)
  return (
    <footer class="foot">
      <StateLine session={session} />
      {usable && (
        <>
          <Aside session={session} />
          <button type="button" class="foot-place hide-narrow" title={`Jump to line (${keyName(KEYS.jump)})`} onClick={onJump}>
            Line {line}, column {column}
          </button>
          <span class="foot-words" data-testid="words" title={selected ? `${count(selected.characters, 'character')} of ${count(characters, 'character')}` : count(characters, 'character')}>
            {selected ? `${selected.words} of ${count(words, 'word')}` : count(words, 'word')}
          </span>
        </>
      )}
      <span class="foot-language hide-narrow">{label}</span>
    </footer>
  )
}
