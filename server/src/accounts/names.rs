//! Whom somebody would be taken for by their name.
//!
//! Nobody gives themselves a name that another is known by. Two people can have one all the same, as an administrator or the system that they
//! come from has given it to them: then others see the login of each beside it.

use std::collections::HashMap;

use rusqlite::Transaction;

use super::rows::all;
use super::text::folded;
use super::{AccountsError, Refusal};
use crate::access::{Person, PersonId};
use crate::called;

/// The login that a folded name seems to tell, as those do that are told apart.
fn told(folded: &str) -> Option<&str> {
    let (_, login) = folded.strip_suffix(')')?.rsplit_once('(')?;
    Some(login)
}

/// Refuses a name that somebody chooses and by which they would be taken for another.
pub fn refuse_taken(
    transaction: &Transaction<'_>,
    id: Option<PersonId>,
    name: &str,
) -> Result<(), AccountsError> {
    let wanted = folded(name);
    let others = "SELECT login, name FROM people WHERE disabled_at_ms IS NULL AND id IS NOT ?1";
    let others = all(transaction, others, [id.map(|id| id.0)], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
    })?;
    let is_theirs = |(login, name): &(String, String)| {
        *login == wanted || told(&wanted) == Some(login) || folded(name) == wanted
    };
    match others.iter().any(is_theirs) {
        true => Err(Refusal::NameTaken.into()),
        false => Ok(()),
    }
}

/// What is seen of a name where there is least room for it.
fn seen(person: &Person) -> String {
    folded(&called::beginning(&person.name, called::ROOM))
}

/// Has others see the login beside the name of everybody who would be taken for another.
pub fn tell_apart(people: &mut HashMap<PersonId, Person>) {
    let enabled = || people.iter().filter(|(_, person)| !person.is_disabled);
    let mut logins: HashMap<&str, PersonId> = HashMap::new();
    let mut names: HashMap<String, usize> = HashMap::new();
    for (id, person) in enabled() {
        logins.insert(&person.login, *id);
        *names.entry(seen(person)).or_default() += 1;
    }
    let is_ambiguous = |id: &PersonId, person: &Person| {
        let name = folded(&person.name);
        let is_of_other = |login: &str| logins.get(login).is_some_and(|other| other != id);
        names.get(&seen(person)).is_some_and(|there| *there > 1)
            || is_of_other(&name)
            || told(&name).is_some_and(is_of_other)
    };
    let ambiguous: Vec<PersonId> = enabled()
        .filter(|(id, person)| is_ambiguous(id, person))
        .map(|(id, _)| *id)
        .collect();
    for id in ambiguous {
        if let Some(person) = people.get_mut(&id) {
            person.shown = called::with_login(&person.name, &person.login);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn shown(people: &[(&str, &str, bool)]) -> Vec<String> {
        let mut all: HashMap<PersonId, Person> = HashMap::new();
        for (id, (login, name, is_disabled)) in people.iter().enumerate() {
            let person = Person {
                login: (*login).to_owned(),
                name: (*name).to_owned(),
                shown: (*name).to_owned(),
                color: None,
                is_admin: false,
                is_disabled: *is_disabled,
                has_password: true,
                groups: Vec::new(),
            };
            all.insert(PersonId(id as i64), person);
        }
        tell_apart(&mut all);
        let ids = 0..people.len() as i64;
        ids.map(|id| all[&PersonId(id)].shown.clone()).collect()
    }

    #[test]
    fn who_is_called_like_another_is_shown_with_the_login() {
        assert_eq!(
            shown(&[
                ("bob", "Bob Jones", false),
                ("mal", "bob  JONES", false),
                ("cat", "Cat", false)
            ]),
            ["Bob Jones (bob)", "bob  JONES (mal)", "Cat"]
        );
        // Of a login only who has it for a name, and not whose it is.
        assert_eq!(
            shown(&[
                ("bob", "Robert", false),
                ("mal", "Bob", false),
                ("cat", "CAT", false)
            ]),
            ["Robert", "Bob (mal)", "CAT"]
        );
        // Nor does anybody write the mark of another.
        assert_eq!(
            shown(&[("bob", "Bob", false), ("mal", "Bob (bob)", false)]),
            ["Bob", "Bob (bob) (mal)"]
        );
        assert_eq!(
            shown(&[("bob", "Bob", true), ("mal", "Bob", false)]),
            ["Bob", "Bob"]
        );
        // Where a long name is cut, what makes it another is not seen.
        let [bob, mal] = ["Jr.", "Sr."].map(|end| format!("{}{end}", "Bob ".repeat(10)));
        assert_eq!(
            shown(&[("bob", &bob, false), ("mal", &mal, false)]),
            [format!("{bob} (bob)"), format!("{mal} (mal)")]
        );
    }
}
