/** The people with accounts, and the groups they are in. */
import { useState } from 'preact/hooks'
import { Choice } from '../ui/choice'
import { Everybody } from './everybody'
import { Groups } from './groups-part'

type Part = 'people' | 'groups'

const PARTS: { value: Part; label: string }[] = [{ value: 'people', label: 'People' }, { value: 'groups', label: 'Groups' }]

export function Folk({ me }: { me: string }) {
  const [part, setPart] = useState<Part>('people')
  return (
    <div class="window">
      <Choice label="Who is looked after" options={PARTS} value={part} onChange={setPart} />
      {part === 'people' ? <Everybody me={me} /> : <Groups />}
    </div>
  )
}
