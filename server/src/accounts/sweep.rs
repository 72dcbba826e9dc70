//! What has ended is taken away.

use super::rows::{changed, execute};
use super::{Accounts, AccountsError};

const DAY_MS: i64 = 24 * 60 * 60_000;
/// Tokens and links that have ended are shown as such for so long.
const SHOWN_MS: i64 = 30 * DAY_MS;

impl Accounts {
    /// Takes away what has ended. The end of a session's old secret is not in the rules, so it is a change. Done every ten
    /// seconds: it counts no longer than so much more.
    pub fn sweep(&self, now_ms: i64) -> Result<(), AccountsError> {
        self.mark(|transaction| {
            for (take, until) in [
                ("DELETE FROM sessions WHERE expires_at_ms <= ?1", now_ms),
                ("DELETE FROM invitations WHERE expires_at_ms <= ?1", now_ms),
                (
                    "DELETE FROM tokens WHERE expires_at_ms <= ?1",
                    now_ms - SHOWN_MS,
                ),
                (
                    "DELETE FROM links WHERE expires_at_ms <= ?1",
                    now_ms - SHOWN_MS,
                ),
            ] {
                execute(transaction, take, [until])?;
            }
            let former = "UPDATE sessions SET former_hash = NULL
                WHERE former_hash IS NOT NULL AND former_until_ms <= ?1";
            if execute(transaction, former, [now_ms])? > 0 {
                changed(transaction)?;
            }
            Ok(())
        })
    }
}
