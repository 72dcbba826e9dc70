//! Who is turned away before a document is loaded for them: it may be large, and how long that takes would tell that it is there.

use std::sync::Arc;

use crate::App;
use crate::access::{Access, Denied, Known, Rules, Who};
use crate::document::Handle;
use crate::name::DocumentName;
use crate::storage::{Entry, Lookup};

/// What somebody may do with what storage knows of a name: everything with a document that they may begin.
pub fn access(
    rules: &Rules,
    who: &Who,
    name: &DocumentName,
    found: &Lookup<Entry>,
    now_ms: i64,
) -> Access {
    match found {
        Lookup::Found(entry) => rules.access(who, &entry.into(), now_ms),
        _ if rules.may_begin(who, name, now_ms) => Access::Own,
        _ => rules.access(who, &Known::absent(name), now_ms),
    }
}

/// Whoever is nobody is answered the same for whatever they ask.
pub fn knows(app: &App, who: &Who) -> Result<(), Denied> {
    if app.gate.rules().is_known(who, app.machine.now_ms()) {
        return Ok(());
    }
    app.metrics.refused_access.add_one();
    Err(Denied::NotKnown)
}

/// Whether somebody may do this much with a document, as far as its line in the list tells. Its task is asked all the same, and if
/// there is no line to be read, alone.
pub async fn look(
    app: &Arc<App>,
    who: &Who,
    name: &DocumentName,
    need: Access,
) -> Result<(), Denied> {
    knows(app, who)?;
    if app.gate.rules().is_open {
        return Ok(());
    }
    let (storage, wanted) = (app.storage.clone(), name.clone());
    let reading = app.machine.blocking(move || storage.entry(&wanted));
    let Some(Ok(found)) = reading.await else {
        return Ok(());
    };
    let need = match found {
        // Of what is not there, whoever could see it hears so.
        Lookup::Absent | Lookup::Deleted if need == Access::Own => Access::Read,
        _ => need,
    };
    let (rules, now_ms) = (app.gate.rules(), app.machine.now_ms());
    let access = access(&rules, who, name, &found, now_ms);
    match rules.denies(who, access, need, now_ms) {
        None => Ok(()),
        Some(denied) => {
            app.metrics.refused_access.add_one();
            Err(denied)
        }
    }
}

/// The way to a document for somebody who may do this much with it. Of one that is in memory its task says so at once.
pub async fn open(
    app: &Arc<App>,
    who: &Who,
    name: &DocumentName,
    need: Access,
) -> Result<Arc<Handle>, Denied> {
    knows(app, who)?;
    if let Some(handle) = app.hub.get(name) {
        return Ok(handle);
    }
    look(app, who, name, need).await?;
    Ok(app.hub.open(app, name))
}
