/** Who is in which document now. */
import { Listed } from '../account/listed'
import { editPath } from '../name'
import { Path } from '../ui/path'
import { ago, count, exact } from '../when'
import { useFresh } from './fresh'
import { loadConnections, type Connection } from './server'

const FRESH_MS = 5_000

const WIRES: Record<string, [name: string, what: string]> = {
  'y-websocket': ['y-websocket', 'This page, or another editor with Yjs'],
  'y-sweet': ['y-sweet', 'An editor with a client of y-sweet'],
  hocuspocus: ['Hocuspocus', 'An editor with a provider of Hocuspocus'],
  text: ['Text', 'An editor without Yjs: Neovim, a folder, a script'],
  http: ['HTTP', 'Somebody who follows the changes of a document'],
}

const BY: Record<Connection['by'], string | null> = { session: null, api_token: 'with an API token', document_token: 'with a document token', link: 'by a link' }

export function Connections() {
  const connections = useFresh(loadConnections, FRESH_MS)
  return (
    <Listed of={connections}>
      {({ connections: all, count: many }) => (
        <>
          {connections.error && <p class="complaint" role="alert">{connections.error.message} What you see is from before.</p>}
          {all.length === 0 ? <p class="empty">Nobody is connected just now.</p> : (
            <table class="table connections">
              <caption class="visually-hidden">Connections, the newest first</caption>
              <thead><tr><th scope="col">Who</th><th scope="col">Document</th><th scope="col">Speaks</th><th scope="col">From</th><th scope="col">Since</th></tr></thead>
              <tbody>{all.map((one) => <Line key={one.id} one={one} />)}</tbody>
            </table>
          )}
          {many > all.length && <p class="empty">And {count(many - all.length, 'more connection')}, before these.</p>}
        </>
      )}
    </Listed>
  )
}

function Line({ one }: { one: Connection }) {
  const [wire, what] = WIRES[one.wire] ?? [one.wire, '']
  const under = [one.login, BY[one.by]].filter(Boolean).join(', ')
  return (
    <tr data-testid="connection">
      <th scope="row"><b>{one.name ?? 'A guest'}</b>{under && <span>{under}</span>}</th>
      <td><a href={editPath(one.document)}><Path name={one.document} /></a></td>
      <td title={what}>{wire}</td>
      <td>{one.address ?? 'Not known'}</td>
      <td><time dateTime={new Date(one.since).toISOString()} title={exact(one.since)}>{ago(one.since)}</time></td>
    </tr>
  )
}
