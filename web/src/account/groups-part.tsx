/** Groups: made, named, filled and deleted, by who looks after the accounts. */
import { useRef, useState } from 'preact/hooks'
import { announce } from '../announce'
import { takeFocus } from '../ui/focus'
import { PeopleIcon, Plus } from '../ui/icons'
import { Sure } from '../ui/sure'
import { count } from '../when'
import { useAttempt } from './attempt'
import { Complaint, Field } from './fields'
import { deleteGroup, listGroups, makeGroup, putIn, renameGroup, takeOut, type Group } from './groups'
import { Listed, useFetched } from './listed'
import { Unclear, type Party } from './meant'
import type { PersonEntry } from './people'
import { Candidates, personMeant, PickField } from './pick'

export function Groups() {
  const groups = useFetched(listGroups)
  const [making, setMaking] = useState(false)
  const [opened, setOpened] = useState<number | null>(null)
  const begin = useRef<HTMLButtonElement>(null)
  const stop = () => {
    setMaking(false)
    requestAnimationFrame(() => begin.current?.focus())
  }
  const make = async (name: string) => {
    const { id } = await makeGroup(name)
    await groups.load()
    setOpened(id)
    setMaking(false)
    announce(`The group ${name} is made`)
  }
  return (
    <Listed of={groups}>
      {(all) => (
        <div class="window">
          <p class="window-lead">What is shared with a group is shared with everybody who is in it, as long as they are in it.</p>
          {making ? <NameForm label="Name of the group" act="Make the group" onStop={stop} onName={make} /> : (
            <button ref={begin} type="button" class="button" onClick={() => setMaking(true)}><Plus />Make a group</button>
          )}
          {all.length > 0 ? (
            <ul class="folk">{all.map((group) => <Line key={group.id} group={group} isOpen={group.id === opened} onChange={groups.load} />)}</ul>
          ) : !making && <p class="hint">There are no groups yet.</p>}
          <Complaint>{groups.error?.message ?? null}</Complaint>
        </div>
      )}
    </Listed>
  )
}

function NameForm({ label, act, value = '', onStop, onName }: { label: string; act: string; value?: string; onStop: () => void; onName: (name: string) => Promise<void> }) {
  const [name, setName] = useState(value)
  const attempt = useAttempt()
  const submit = (event: Event) => {
    event.preventDefault()
    if (name.trim()) void attempt.run(() => onName(name.trim()))
  }
  return (
    <form class="form link-form" onSubmit={submit}>
      <Field field={takeFocus} label={label} name="group-name" value={name} onInput={setName} autocomplete="off" plain={false} maxLength={64} />
      <Complaint>{attempt.error?.message ?? null}</Complaint>
      <div class="dialog-acts">
        <button type="button" class="button plain" onClick={onStop}>Cancel</button>
        <button type="submit" class="button primary" disabled={attempt.busy || !name.trim()}>{act}</button>
      </div>
    </form>
  )
}

function Line({ group, isOpen, onChange }: { group: Group; isOpen: boolean; onChange: () => Promise<void> }) {
  const [wanted, setWanted] = useState('')
  const [renaming, setRenaming] = useState(false)
  const field = useRef<HTMLInputElement>(null)
  const details = useRef<HTMLDetailsElement>(null)
  const attempt = useAttempt()
  const change = (act: () => Promise<unknown>, said: string) => attempt.run(async () => {
    await act()
    await onChange()
    announce(said)
  })
  const put = async (find: () => Promise<PersonEntry>) => {
    const added = await attempt.run(async () => {
      const person = await find()
      await putIn(group.id, person.login)
      await onChange()
      announce(`${person.name} is in it`)
    })
    if (added) setWanted('')
    field.current?.focus()
  }
  const add = (event: Event) => {
    event.preventDefault()
    const typed = wanted.trim()
    if (typed) void put(() => personMeant(typed))
    else field.current?.focus()
  }
  const choose = (party: Party) => 'person' in party && void put(() => Promise.resolve(party.person))
  const remove = async (login: string, name: string) => {
    if (await change(() => takeOut(group.id, login), `${name} is not in it any more`)) field.current?.focus()
  }
  const rename = async (name: string) => {
    await renameGroup(group.id, name)
    await onChange()
    setRenaming(false)
    details.current?.querySelector('summary')?.focus()
    announce(`It is called ${name}`)
  }
  return (
    <li data-testid="group">
      <details ref={details} open={isOpen || undefined}>
        <summary>
          <span class="party-icon"><PeopleIcon /></span>
          <span class="party"><b>{group.name}</b><span>{group.members.length === 0 ? 'Nobody is in it' : count(group.members.length, 'person', 'people')}</span></span>
        </summary>
        <div class="group">
          <form class="group-add" onSubmit={add}>
            <PickField field={field} label={`Put somebody into ${group.name}`} value={wanted} onInput={(now) => { setWanted(now); attempt.refuse(null) }} />
            <button type="submit" class="button" disabled={attempt.busy}>Put in</button>
          </form>
          <Complaint>{attempt.error?.message ?? null}</Complaint>
          {attempt.error instanceof Unclear && <Candidates of={attempt.error} busy={attempt.busy} onChoose={choose} />}
          {group.members.length > 0 && (
            <ul class="parties">
              {group.members.map(({ login, name }) => (
                <li key={login} data-testid="member">
                  <span class="party"><b>{name}</b><span>{login}</span></span>
                  <Sure ask="Really take out" label={`Take out ${name}`} disabled={attempt.busy} onSure={() => void remove(login, name)}>Take out</Sure>
                </li>
              ))}
            </ul>
          )}
          {renaming ? <NameForm label="Its new name" act="Rename" value={group.name} onStop={() => setRenaming(false)} onName={rename} /> : (
            <div class="folk-acts">
              <button type="button" class="button plain" onClick={() => setRenaming(true)}>Rename</button>
              <Sure ask="Really delete: what it has been given counts no more" label={`Delete ${group.name}`} disabled={attempt.busy} onSure={() => void change(() => deleteGroup(group.id), `${group.name} is deleted`)}>Delete</Sure>
            </div>
          )}
        </div>
      </details>
    </li>
  )
}
