/** Line icons on a grid of 16, and the brand's mark. */
import type { ComponentChildren } from 'preact'

function icon(children: ComponentChildren) {
  return ({ size = 16 }: { size?: number }) => (
    <svg width={size} height={size} viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.4" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
      {children}
    </svg>
  )
}

export const Plus = icon(<path d="M8 3v10M3 8h10" />)
export const Search = icon(<><circle cx="7" cy="7" r="4.25" /><path d="m10.2 10.2 3.3 3.3" /></>)
export const Close = icon(<path d="m4 4 8 8M12 4l-8 8" />)
export const Trash = icon(<path d="M2.75 4.25h10.5M6.25 4V2.75h3.5V4M4.25 4.5l.6 8.75h6.3l.6-8.75M6.75 7v3.75M9.25 7v3.75" />)
export const More = icon(<g fill="currentColor" stroke="none"><circle cx="3.25" cy="8" r="1.25" /><circle cx="8" cy="8" r="1.25" /><circle cx="12.75" cy="8" r="1.25" /></g>)
export const Check = icon(<path d="m3 8.5 3.25 3.25L13 4.75" />)
export const Link = icon(<path d="M6.75 9.25a2.5 2.5 0 0 0 3.6.1l2.2-2.2a2.5 2.5 0 0 0-3.55-3.55l-.9.9M9.25 6.75a2.5 2.5 0 0 0-3.6-.1l-2.2 2.2A2.5 2.5 0 0 0 7 12.4l.9-.9" />)
export const Preview = icon(<><rect x="2" y="2.75" width="12" height="10.5" rx="1.5" /><path d="M8 2.75v10.5M10.25 5.75h1.5M10.25 8h1.5" /></>)
export const Up = icon(<path d="M8 12.5v-9M4.25 7.25 8 3.5l3.75 3.75" />)
export const Down = icon(<path d="M8 3.5v9M4.25 8.75 8 12.5l3.75-3.75" />)
export const Chevron = icon(<path d="m6 4 4 4-4 4" />)
export const Download = icon(<path d="M8 2.5v7.75M4.75 7.25 8 10.5l3.25-3.25M2.75 13.25h10.5" />)
export const Wrap = icon(<path d="M2.5 4h11M2.5 8h8.75a2 2 0 0 1 0 4H8.5M10 10.25 8.25 12 10 13.75M2.5 12h3" />)
export const Jump = icon(<path d="M2.5 4h6M2.5 8h4M2.5 12h6M9.75 8h4M11.75 5.75 14 8l-2.25 2.25" />)
export const Undo = icon(<path d="M5.5 3 2.5 6l3 3M2.75 6H10a3.5 3.5 0 0 1 0 7H6.5" />)
export const Redo = icon(<path d="m10.5 3 3 3-3 3M13.25 6H6a3.5 3.5 0 0 0 0 7h3.5" />)
export const Keyboard = icon(<><rect x="1.75" y="4" width="12.5" height="8" rx="1.5" /><path d="M4.5 6.75h.01M7 6.75h.01M9.5 6.75h.01M11.75 6.75h.01M5.25 9.5h5.5" /></>)
export const Folder = icon(<path d="M1.750 4.250a1 1 0 0 1 1-1h3.500l1.500 1.750h5.500a1 1 0 0 1 1 1v6.250a1 1 0 0 1-1 1H2.750a1 1 0 0 1-1-1z" />)
export const Page = icon(<path d="M4 1.75h5l3.25 3.25v9.25H4zM9 1.75V5h3.25" />)
export const System = icon(<><rect x="2" y="3" width="12" height="8" rx="1.25" /><path d="M6 13.5h4" /></>)
export const Sun = icon(<><circle cx="8" cy="8" r="2.75" /><path d="M8 1.5v1.25M8 13.25v1.25M1.5 8h1.25M13.25 8h1.25M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9" /></>)
export const Moon = icon(<path d="M13.25 9.75A5.75 5.75 0 0 1 6.25 2.75a5.75 5.75 0 1 0 7 7Z" />)
export const Warning = icon(<path d="M8 2.25 14.25 13H1.75zM8 6.5v3M8 11.25h.01" />)
export const Replace = icon(<path d="M2.5 4.5h8.25a2 2 0 0 1 2 2v.75M11 5.75l1.75 1.75 1.75-1.75M13.5 11.5H5.25a2 2 0 0 1-2-2v-.75M5 10.25 3.25 8.5 1.5 10.25" />)
export const Eye = icon(<><path d="M1.5 8s2.4-4.25 6.500-4.250S14.500 8 14.500 8s-2.400 4.250-6.500 4.250S1.500 8 1.500 8Z" /><circle cx="8" cy="8" r="1.9" /></>)
export const EyeOff = icon(<path d="M6.4 3.950A6.700 6.700 0 0 1 8 3.750c4.100 0 6.500 4.250 6.500 4.250a11.500 11.500 0 0 1-1.900 2.350M4.200 5.100A11 11 0 0 0 1.500 8s2.400 4.250 6.500 4.250a6.500 6.500 0 0 0 3.300-.9M2.500 2.500l11 11" />)
export const SignOut = icon(<path d="M6.250 2.750h-3.500v10.500h3.500M6.500 8h7M10.750 5.250 13.500 8l-2.750 2.750" />)
export const Copy = icon(<><rect x="5.5" y="5.5" width="8" height="8" rx="1.5" /><path d="M3.500 10.500a1 1 0 0 1-1-1v-6a1 1 0 0 1 1-1h6a1 1 0 0 1 1 1" /></>)
export const PersonIcon = icon(<><circle cx="8" cy="5.500" r="2.500" /><path d="M3 13.250c.4-2.600 2.300-4 5-4s4.600 1.400 5 4" /></>)
export const PeopleIcon = icon(<><circle cx="6" cy="5.500" r="2.250" /><path d="M1.750 13c.3-2.500 1.900-3.750 4.250-3.750S9.950 10.500 10.250 13M10.250 3.500a2.250 2.250 0 0 1 0 4M11.500 9.500c1.600.4 2.500 1.600 2.750 3.500" /></>)
export const KeyIcon = icon(<><circle cx="5" cy="11" r="2.500" /><path d="m6.800 9.200 6.200-6.200M10.500 5.500l2 2M8.750 7.250l1.250 1.250" /></>)
export const Server = icon(<><rect x="2.250" y="2.750" width="11.500" height="4.250" rx="1.250" /><rect x="2.250" y="9" width="11.500" height="4.250" rx="1.250" /><path d="M4.750 4.900h.01M4.750 11.100h.01" /></>)
export const Lock = icon(<><rect x="3" y="7" width="10" height="6.500" rx="1.250" /><path d="M5.250 7V5a2.750 2.750 0 0 1 5.500 0v2" /></>)

/** Three strands side by side, with the lay of a rope. */
export function Mark({ size = 24 }: { size?: number }) {
  return (
    <svg class="mark" width={size} height={size} viewBox="0 0 32 32" fill="none" stroke-width="5.4" stroke-linecap="round" aria-hidden="true">
      <path class="mark-b" d="M4.2 25.4c6.4 0 3.6-18.8 10-18.8" />
      <path class="mark-a" d="M11 25.4c6.4 0 3.6-18.8 10-18.8" />
      <path class="mark-b" d="M17.8 25.4c6.4 0 3.6-18.8 10-18.8" />
    </svg>
  )
}

/** A length of rope, for pages that have nothing else to show: strands come in loose and leave as one. */
export function Rope() {
  return (
    <svg class="rope" width="200" height="48" viewBox="0 0 200 48" fill="none" stroke-linecap="round" aria-hidden="true">
      <g stroke-width="2">
        <path class="mark-b" d="M2 6C30 6 44 17 66 21" />
        <path class="mark-a" d="M2 24H66" />
        <path class="mark-b" d="M2 42C30 42 44 31 66 27" />
      </g>
      <g stroke-width="6.4">
        {Array.from({ length: 15 }, (_, n) => <path key={n} class={n % 3 === 1 ? 'mark-a' : 'mark-b'} d={`M${66 + n * 8} 30.500c7 0 4-13 11-13`} />)}
      </g>
    </svg>
  )
}
