/** What is around every page but the editor: the way home, who one is, and how it looks. */
import './frame.css'
import type { ComponentChildren } from 'preact'
import { Me } from '../account/me'
import { Mark, More } from './icons'
import { Popover } from './popover'
import { ThemeChoice } from './theme-choice'
import { Toast } from './toast'

export function Frame({ children }: { children: ComponentChildren }) {
  return (
    <div class="frame">
      <header class="frame-bar">
        <a class="brand" href="/" aria-label="Ropewalk, all documents"><Mark /><span>Ropewalk</span></a>
        <div class="frame-tools">
          <Me />
          <Popover role="dialog" label="Appearance" button={<More />}>
            {() => <div class="appearance"><p class="label">Theme</p><ThemeChoice /></div>}
          </Popover>
        </div>
      </header>
      <main>{children}</main>
      <Toast />
    </div>
  )
}
