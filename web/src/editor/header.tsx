import type { ComponentType } from 'preact'
import { useState } from 'preact/hooks'
import { identity } from '../account/identity'
import { Download, Jump, Keyboard, Link, Mark, More, PeopleIcon, Preview, Redo, Replace, Search, Undo, Wrap } from '../ui/icons'
import { Item, Popover } from '../ui/popover'
import { Path } from '../ui/path'
import { ThemeChoice } from '../ui/theme-choice'
import { say } from '../ui/toast'
import { useValue } from '../value'
import { textOf } from '../cm/binding'
import { keyName, KEYS, type Acts } from './keys'
import { People } from './people'
import type { Presence } from './presence'
import type { Session } from './session'
import { copyLink, download } from './share'

interface HeaderProps {
  name: string
  session: Session
  presence: Presence
  markdown: boolean
  previewing: boolean
  wrap: boolean
  /** The text is there and may be changed. */
  usable: boolean
  acts: Acts
}

type ShareDialog = ComponentType<{ of: { document: string }; onClose: () => void }>

export function Header({ name, session, presence, markdown, previewing, wrap, usable, acts }: HeaderProps) {
  const access = useValue(session.access)
  const { state } = useValue(identity)
  const mayShare = access === 'own' && state === 'signed_in'
  const [Sharing, setSharing] = useState<ShareDialog | null>(null)
  const share = () => import('../sharing/dialog').then((m) => setSharing(() => m.ShareDialog), () => say('That part could not be loaded. Reload the page when the server is back.'))
  return (
    <header class="bar">
      <a class="bar-home" href="/" aria-label="All documents" title="All documents"><Mark size={22} /></a>
      <h1 class="bar-name" title={name}><Path name={name} /></h1>
      <People presence={presence} />
      <div class="bar-tools">
        {markdown && (
          <button type="button" class="icon-button" aria-label="Preview" title={`Preview (${keyName(KEYS.preview)})`} aria-pressed={previewing} onClick={acts.preview}><Preview /></button>
        )}
        {mayShare && <button type="button" class="icon-button hide-narrow" aria-label="Share" title="Share" onClick={() => void share()}><PeopleIcon /></button>}
        <button type="button" class="icon-button hide-narrow" aria-label="Copy link" title="Copy link" onClick={() => void copyLink(name)}><Link /></button>
        <Popover role="menu" label="More" button={<More />} testid="more">
          {(close) => {
            const then = (act: () => unknown) => () => {
              close()
              act()
            }
            return (
              <>
                <Item icon={<Undo />} keys={keyName(KEYS.undo)} disabled={!usable} onChoose={then(() => session.undo.undo())}>Undo</Item>
                <Item icon={<Redo />} keys={keyName(KEYS.redo)} disabled={!usable} onChoose={then(() => session.undo.redo())}>Redo</Item>
                <hr class="menu-line" />
                <Item icon={<Search />} keys={keyName(KEYS.find)} onChoose={then(() => acts.find(false))}>Find</Item>
                <Item icon={<Replace />} keys={keyName(KEYS.replace)} disabled={!usable} onChoose={then(() => acts.find(true))}>Find and replace</Item>
                <Item icon={<Jump />} keys={keyName(KEYS.jump)} onChoose={then(acts.jump)}>Jump to line</Item>
                <Item icon={<Wrap />} checked={wrap} keys={wrap ? undefined : keyName(KEYS.wrap)} onChoose={then(acts.wrap)}>Wrap lines</Item>
                <hr class="menu-line" />
                {mayShare && <Item icon={<PeopleIcon />} onChoose={then(() => void share())}>Share</Item>}
                <Item icon={<Link />} onChoose={then(() => void copyLink(name))}>Copy link</Item>
                <Item icon={<Download />} disabled={!session.ready.now} onChoose={then(() => download(name, textOf(session.text)))}>Download</Item>
                <Item icon={<Keyboard />} keys={keyName(KEYS.help)} onChoose={then(acts.help)}>Keyboard shortcuts</Item>
                <hr class="menu-line" />
                <div class="menu-part" role="none"><ThemeChoice menu /></div>
              </>
            )
          }}
        </Popover>
      </div>
      {Sharing && <Sharing of={{ document: name }} onClose={() => setSharing(null)} />}
    </header>
  )
}

