/** Who did what, the newest first. */
import { useEffect, useMemo, useState } from 'preact/hooks'
import { Download } from '../ui/icons'
import { Select } from '../ui/select'
import { useValue } from '../value'
import { clock, count, day, exact } from '../when'
import { announce } from '../announce'
import { asApiError } from '../api'
import { saveFile } from '../save-file'
import { say } from '../ui/toast'
import { DEEDS, doer } from './deeds'
import { Entries } from './entries'
import { exportLog, type Deed } from './server'

const SEEK_MS = 200
const DAY_MS = 24 * 60 * 60 * 1000

const ACTIONS: [string, string][] = [['', 'Everything'], ...Object.entries(DEEDS).map(([action, [, name]]): [string, string] => [action, name])]

/** The beginning of a day that was chosen, here. */
function start(date: string): number | null {
  const ms = date ? new Date(`${date}T00:00`).getTime() : NaN
  return Number.isNaN(ms) ? null : ms
}

export function Log() {
  const [who, setWho] = useState('')
  const [action, setAction] = useState('')
  const [from, setFrom] = useState('')
  const [to, setTo] = useState('')
  const entries = useMemo(() => new Entries(), [])
  const { deeds, next, trouble, busy } = useValue(entries.listing)
  const [turn, setTurn] = useState(0)

  const wanted = () => {
    const last = start(to)
    return { who: who.trim(), action, from: start(from), to: last === null ? null : last + DAY_MS }
  }
  useEffect(() => {
    const timer = window.setTimeout(() => void entries.seek(wanted()), deeds === null ? 0 : SEEK_MS)
    return () => window.clearTimeout(timer)
  }, [who, action, from, to, turn])
  const more = async () => {
    const come = await entries.more()
    if (come !== null) announce(count(come, 'more entry', 'more entries'))
  }

  const [exporting, setExporting] = useState(false)
  const exportAll = async () => {
    setExporting(true)
    try {
      saveFile('audit.jsonl', await exportLog())
    } catch (error) {
      say(asApiError(error).message)
    }
    setExporting(false)
  }

  let before = ''
  return (
    <>
      <form class="log-filter" role="search" aria-label="The log" onSubmit={(event) => { event.preventDefault(); setTurn(turn + 1) }}>
        <label class="label">Login<input type="search" class="field" name="who" placeholder="Anybody" list="log-who" autocomplete="off" autocapitalize="none" spellcheck={false} value={who} onInput={(event) => setWho(event.currentTarget.value)} /></label>
        <datalist id="log-who"><option value="(cli)">The command line</option></datalist>
        <Select label="What" options={ACTIONS} value={action} onChange={setAction} />
        <label class="label">From<input type="date" class="field" name="from" value={from} onInput={(event) => setFrom(event.currentTarget.value)} /></label>
        <label class="label">Until<input type="date" class="field" name="to" value={to} onInput={(event) => setTo(event.currentTarget.value)} /></label>
        <button type="button" class="button" disabled={exporting} onClick={() => void exportAll()}><Download />Export all</button>
      </form>
      {trouble && (
        <div class="listed" role="alert">
          <p>{trouble}</p>
          <button type="button" class="button" onClick={() => setTurn(turn + 1)}>Try again</button>
        </div>
      )}
      {deeds === null ? !trouble && <div class="listed" role="status" aria-label="Loading"><span class="skeleton" /><span class="skeleton" /></div> : (
        <ol class="deeds" aria-label="Entries">
          {deeds.map((deed) => {
            const date = day(deed.at_ms)
            const turns = date !== before
            before = date
            return <Line key={deed.id} deed={deed} date={turns ? date : null} />
          })}
        </ol>
      )}
      {deeds?.length === 0 && <p class="empty">{next === null ? 'Nothing like that is in the log.' : 'Nothing like that is in the newer part of the log.'}</p>}
      {next !== null && <div class="more"><button type="button" class="button" disabled={busy} onClick={() => void more()}>{deeds?.length === 0 ? 'Look further back' : 'Show older'}</button></div>}
    </>
  )
}

function Line({ deed, date }: { deed: Deed; date: string | null }) {
  const [verb] = DEEDS[deed.action] ?? [deed.action]
  return (
    <li data-testid="deed">
      {date && <h2 class="label">{date}</h2>}
      <div class="deed">
        <time dateTime={new Date(deed.at_ms).toISOString()} title={exact(deed.at_ms)}>{clock(deed.at_ms)}</time>
        <p><b>{doer(deed)}</b> {verb} {deed.about && <bdi class="deed-about">{deed.about}</bdi>}</p>
        <span>{deed.address}</span>
      </div>
    </li>
  )
}
