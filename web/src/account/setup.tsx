/** A server without accounts that lets nobody in before the first one is made. */
import { Door } from './door'

export function Setup() {
  return (
    <Door title="This server has no accounts yet" lead="The first one is made with a link that works once. It stands in the log of the server, where whoever runs it can read it.">
      <pre class="door-sample"><code>{location.origin}/join#rwi_…</code></pre>
      <p class="hint">Open that link in this browser. Whoever does becomes the first administrator and can invite everybody else.</p>
    </Door>
  )
}
