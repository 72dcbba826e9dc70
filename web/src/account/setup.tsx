/** A server without accounts that lets nobody in before the first one is made. */
import { Door } from './door'

export function Setup() {
  return (
    <Door title="This server has no accounts yet" lead="The first one is made with a link that works once. The server printed it when it started: whoever runs it finds it there, or in its log.">
      <pre class="door-sample"><code>{location.origin}/join#rwi_…</code></pre>
      <p class="hint">Whoever opens it becomes the first administrator and can invite everybody else. It counts for an hour; <code>ropewalk user add</code> with <code>--admin</code> makes another one.</p>
    </Door>
  )
}
