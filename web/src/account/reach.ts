/** What documents a target has: `*`, `team/*` or `team/notes`. */
export function reachOf(target: string): string {
  if (target === '*') return 'all documents'
  return target.endsWith('/*') ? `the folder ${target.slice(0, -2)}` : target
}
