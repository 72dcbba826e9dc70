//! One of the two is gone.

use tokio::time::Instant;

use super::exchange::aside_name;
use super::{BACK, End, Pair};
use crate::sync::folder::REMOVED;
use crate::sync::records::{Record, digest};
use crate::sync::{ASIDE, Problem};

impl Pair {
    /// The file is not there.
    pub(super) async fn missing(&mut self) -> Result<Option<End>, Problem> {
        let now = Instant::now();
        let since = *self.missing.get_or_insert(now);
        if now < since + BACK {
            self.look = Some(since + BACK);
            return Ok(None);
        }
        let path = &self.path;
        if !self.shared.folder.is_whole() {
            return Ok(None);
        }
        if self.shared.deletes {
            if !self.link.is_synced() || !self.link.is_saved() {
                // What others have written meanwhile is not known.
                self.look = Some(now + BACK);
                return Ok(None);
            }
            if self.shared.delete(self.link.name(), &self.shown).await? {
                self.shared.records.forget(path)?;
                self.shared
                    .say(format_args!("{path}: deleted, here and on the server"));
                return Ok(Some(End::Idle));
            }
            self.shared.records.forget(path)?;
            self.shared.say(format_args!(
                "{path}: others have written in it meanwhile; it comes back"
            ));
            return Ok(Some(End::Again));
        }
        if !self.link.is_saved() && !self.link.is_refused() {
            // What was written here last is still to be sent.
            self.look = Some(now + BACK);
            return Ok(None);
        }
        let record = Record {
            mirror: self.mirror.save(),
            removed: true,
            ..Record::default()
        };
        self.shared.records.put(path, &record)?;
        self.shared.say(format_args!(
            "{path}: deleted here; the document stays on the server"
        ));
        Ok(Some(End::Idle))
    }

    /// The server has no such document any more.
    pub(super) fn closed(&mut self, code: u16, reason: &str) -> Result<Option<End>, Problem> {
        let path = self.path.clone();
        let file = self.shared.folder.read(&path)?;
        match (code, file) {
            (4404, None) => self.shared.records.forget(&path)?,
            (4404, Some(file))
                if self.shared.deletes && file.text == self.shown && self.link.is_saved() =>
            {
                let aside = format!("{REMOVED}{}", aside_name(&[]));
                self.shared.folder.take_out(&path, &aside)?;
                self.shared.records.forget(&path)?;
                self.shared.say(format_args!(
                    "{path}: deleted on the server, and here; it is kept as {}/{aside}",
                    ASIDE
                ));
            }
            (4404, Some(file)) => {
                let record = Record {
                    mirror: self.mirror.save(),
                    gone: Some(digest(&file.text)),
                    ..Record::default()
                };
                self.shared.records.put(&path, &record)?;
                self.shared.say(format_args!(
                    "{path}: deleted on the server; the file stays, and an edit of it begins the document again"
                ));
            }
            (4409, _) => {
                self.shared.records.forget(&path)?;
                self.shared.say(format_args!(
                    "{path}: the server has another document under this name now"
                ));
                return Ok(Some(End::Again));
            }
            (code, _) => return Err(Problem::Refused(code, reason.to_owned())),
        }
        Ok(Some(End::Idle))
    }
}
