/** The log in words. */
import type { Deed } from './server'

/** What can be done, in words: as the verb of a sentence, and what it is searched by. */
export const DEEDS: Record<string, [verb: string, name: string]> = {
  signed_in: ['signed in', 'Signed in'],
  sign_in_failed: ['was refused at signing in', 'Refused at signing in'],
  signed_out: ['signed out', 'Signed out'],
  user_added: ['added the account', 'Accounts added'],
  user_changed: ['changed the account', 'Accounts changed'],
  linked: ['added a way to sign in to', 'Ways to sign in added'],
  unlinked: ['took away a way to sign in to', 'Ways to sign in taken away'],
  user_disabled: ['disabled', 'Accounts disabled'],
  user_enabled: ['enabled', 'Accounts enabled'],
  admin_made: ['made an administrator of', 'Administrators made'],
  admin_unmade: ['made an ordinary account of', 'Administrators no more'],
  password_changed: ['changed the password of', 'Passwords changed'],
  invited: ['invited', 'Invitations made'],
  token_created: ['made an API token:', 'API tokens made'],
  group_created: ['made the group', 'Groups made'],
  group_renamed: ['renamed the group', 'Groups renamed'],
  group_deleted: ['deleted the group', 'Groups deleted'],
  member_added: ['put into a group:', 'Put into a group'],
  member_removed: ['took out of a group:', 'Taken out of a group'],
  shared: ['shared', 'Shared'],
  link_followed: ['followed a link to', 'Links followed'],
  link_failed: ['was refused at a link to', 'Refused at a link'],
  revoked: ['took back', 'Taken back'],
  handed_over: ['handed over', 'Handed over'],
  deleted: ['deleted', 'Deleted'],
  stray_deleted: ['deleted what was set aside of', 'Set aside, and deleted'],
  taken_back: ['took out of the trash', 'Taken out of the trash'],
  erased: ['deleted for good', 'Deleted for good'],
  exported: ['exported', 'Exported'],
  imported: ['imported', 'Imported'],
  restored: ['restored', 'Restored'],
}

/** Who it was, as the subject of that sentence. What nobody with an account did is told from any login that a person may have. */
export function doer({ person, who, address }: Deed): string {
  if (person !== null) return who ?? 'Somebody'
  return who !== null ? 'The command line' : address === null ? 'The server' : 'Somebody'
}
