/** What a browser calls itself, as people call it. */
export function browserName(agent: string | null): string {
  if (!agent) return 'An unknown browser'
  const named: [RegExp, string][] = [[/\bEdg/, 'Edge'], [/\bOPR\//, 'Opera'], [/\bFirefox\/|\bFxiOS\//, 'Firefox'], [/Chrome\/|\bCriOS\/|\bChromium\//, 'Chrome'], [/\bSafari\//, 'Safari']]
  const systems: [RegExp, string][] = [[/\bAndroid\b/, 'Android'], [/\biPhone\b/, 'an iPhone'], [/\biPad\b/, 'an iPad'], [/\bWindows\b/, 'Windows'], [/\bMac OS X\b/, 'a Mac'], [/\bCrOS\b/, 'ChromeOS'], [/\bLinux\b/, 'Linux']]
  const first = (all: [RegExp, string][]) => all.find(([sign]) => sign.test(agent))?.[1]
  const [name, system] = [first(named), first(systems)]
  if (!name) return agent.length > 60 ? `${agent.slice(0, 60)}…` : agent
  return system ? `${name} on ${system}` : name
}
