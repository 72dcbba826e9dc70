import { keep, recall } from './kept'
import { Value } from './value'

export type Theme = 'system' | 'light' | 'dark'

export const theme = new Value<Theme>(recall<Theme>('theme', 'system'))

export function applyTheme(): void {
  const show = (now: Theme) => {
    if (now === 'system') delete document.documentElement.dataset.theme
    else document.documentElement.dataset.theme = now
  }
  show(theme.now)
  theme.watch((now) => {
    keep('theme', now)
    show(now)
  })
}
