/** The people in the document. Choosing one scrolls along with their caret. */
import { Me } from '../account/me'
import { Avatar } from '../ui/avatar'
import { Popover, Item } from '../ui/popover'
import { useValue } from '../value'
import type { Peer, Presence } from './presence'

const SHOWN = 4

export function People({ presence }: { presence: Presence }) {
  const peers = useValue(presence.peers)
  const following = useValue(presence.following)
  const toggle = (peer: Peer) => presence.follow(following === peer.client ? null : peer.client)
  // Nobody disappears behind "+1": that place can show them.
  const shown = peers.length <= SHOWN ? peers : peers.slice(0, SHOWN - 1)
  const rest = peers.length - shown.length
  return (
    <ul class="people" data-testid="people" aria-label="People in this document">
      {shown.map((peer, i) => (
        <li key={peer.client} class={i > 0 ? 'peer hide-narrow' : 'peer'}>
          <button
            type="button" class={`avatar-button person-${peer.color}`} aria-pressed={following === peer.client}
            aria-label={`Follow ${peer.name}`} title={following === peer.client ? `Following ${peer.name}` : `Follow ${peer.name}`} onClick={() => toggle(peer)}
          >
            <Avatar {...peer} />
          </button>
        </li>
      ))}
      {peers.length > 1 && (
        <li class={rest > 0 ? 'peer' : 'peer only-narrow'}>
          <Popover role="menu" label="Everyone else in this document" buttonClass="avatar-button" button={
            <>
              {rest > 0 && <span class="avatar rest hide-narrow" data-letters={`+${rest}`} />}
              <span class="avatar rest only-narrow" data-letters={`+${peers.length - 1}`} />
            </>
          }>
            {(close) => peers.map((peer) => (
              <Item key={peer.client} icon={<span class={`dot person-${peer.color}`} />} checked={following === peer.client} onChoose={() => { toggle(peer); close() }}>
                {peer.name}
              </Item>
            ))}
          </Popover>
        </li>
      )}
      <li class="peer mine"><Me /></li>
    </ul>
  )
}

/** Says who is being followed, and stops it. */
export function Following({ presence }: { presence: Presence }) {
  const following = useValue(presence.following)
  const peers = useValue(presence.peers)
  const peer = peers.find((p) => p.client === following)
  if (!peer) return null
  return (
    <div class={`following person-${peer.color}`} data-testid="following">
      <button type="button" onClick={() => presence.follow(null)}>Following {peer.name}<kbd>Esc</kbd></button>
    </div>
  )
}
