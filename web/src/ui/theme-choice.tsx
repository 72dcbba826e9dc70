import { theme, type Theme } from '../theme'
import { useValue } from '../value'
import { Choice, MenuChoice } from './choice'
import { Moon, Sun, System } from './icons'

const OPTIONS: { value: Theme; label: string; icon: preact.JSX.Element }[] = [
  { value: 'system', label: 'System', icon: <System /> },
  { value: 'light', label: 'Light', icon: <Sun /> },
  { value: 'dark', label: 'Dark', icon: <Moon /> },
]

export function ThemeChoice({ menu = false }: { menu?: boolean }) {
  const Kind = menu ? MenuChoice<Theme> : Choice<Theme>
  return <Kind label="Theme" options={OPTIONS} value={useValue(theme)} onChange={(chosen) => theme.set(chosen)} />
}
