//! What tokens say of somebody, and what that is here.

use std::collections::{HashMap, HashSet};

use openidconnect::core::CoreGenderClaim;
use openidconnect::{AdditionalClaims, IdTokenClaims, LocalizedClaim, UserInfoClaims};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Stranger;
use crate::accounts::{Identity, Roles};
use crate::config::Oidc;

/// All claims beside the standard ones.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Claims(HashMap<String, Value>);

impl AdditionalClaims for Claims {}

/// What is wanted of them.
#[derive(Debug, Default)]
pub struct Told {
    login: Option<String>,
    name: Option<String>,
    rest: HashMap<String, Value>,
}

impl Told {
    pub fn of_token(claims: &IdTokenClaims<Claims, CoreGenderClaim>) -> Self {
        Self {
            login: claims.preferred_username().map(|login| login.to_string()),
            name: first(claims.name()),
            rest: claims.additional_claims().0.clone(),
        }
    }

    pub fn of_user_info(claims: &UserInfoClaims<Claims, CoreGenderClaim>) -> Self {
        Self {
            login: claims.preferred_username().map(|login| login.to_string()),
            name: first(claims.name()),
            rest: claims.additional_claims().0.clone(),
        }
    }

    /// Whether something is missing that counts here.
    pub fn lacks(&self, settings: &Oidc) -> bool {
        let maps = !settings.group.is_empty() || !settings.admin_group.is_empty();
        self.login.is_none()
            || self.name.is_none()
            || maps && !self.rest.contains_key(&settings.groups_claim)
    }

    /// Takes what is missing from elsewhere.
    pub fn fill(&mut self, more: Self) {
        self.login = self.login.take().or(more.login);
        self.name = self.name.take().or(more.name);
        for (claim, value) in more.rest {
            self.rest.entry(claim).or_insert(value);
        }
    }

    pub fn stranger(self, identity: Identity, settings: &Oidc) -> Stranger {
        let roles = self.groups(&settings.groups_claim);
        let roles = roles.map(|there| Roles {
            groups: settings
                .groups()
                .filter(|(group, _)| there.contains(group))
                .map(|(_, here)| here.to_owned())
                .collect(),
            is_admin: settings
                .admin_group
                .iter()
                .any(|group| there.contains(&group.as_str())),
        });
        Stranger {
            identity,
            roles,
            login: self.login,
            name: self.name,
        }
    }

    /// The groups that somebody is in there, all of them: whoever is in more than fit into an answer is not signed in, as what is said first would
    /// decide. None where there is no such claim. Nothing, if they are so many that they are said elsewhere.
    fn groups(&self, claim: &str) -> Option<HashSet<&str>> {
        match self.rest.get(claim) {
            Some(Value::String(one)) => Some(HashSet::from([&**one])),
            Some(Value::Array(all)) => Some(all.iter().filter_map(Value::as_str).collect()),
            Some(_) => Some(HashSet::new()),
            None => {
                let names = self.rest.get("_claim_names");
                let is_elsewhere = names.is_some_and(|names| names.get(claim).is_some());
                (!is_elsewhere).then(HashSet::new)
            }
        }
    }
}

/// A name, in whatever language it is.
fn first<T: std::ops::Deref<Target = String>>(all: Option<&LocalizedClaim<T>>) -> Option<String> {
    let (_, name) = all?.iter().next()?;
    Some(name.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn settings() -> Oidc {
        Oidc {
            group: vec!["staff=Editors".into(), "staff=Team".into(), "b=Bees".into()],
            admin_group: vec!["ops".into()],
            ..Oidc::default()
        }
    }

    fn told(rest: Value) -> Told {
        Told {
            rest: serde_json::from_value(rest).unwrap(),
            ..Told::default()
        }
    }

    fn roles(rest: Value) -> Option<Roles> {
        let identity = Identity {
            issuer: "i".into(),
            subject: "s".into(),
        };
        told(rest).stranger(identity, &settings()).roles
    }

    #[test]
    fn groups_there_are_groups_here() {
        let is = |groups: &[&str], is_admin| {
            let groups = groups.iter().map(|group| group.to_string()).collect();
            Some(Roles { groups, is_admin })
        };
        for (rest, expected) in [
            (
                json!({ "groups": ["staff", "x"] }),
                is(&["Editors", "Team"], false),
            ),
            (json!({ "groups": "b" }), is(&["Bees"], false)),
            (json!({ "groups": ["ops", 7, null] }), is(&[], true)),
            (json!({ "groups": ["Staff", "staf"] }), is(&[], false)),
            (json!({ "groups": { "staff": true } }), is(&[], false)),
            (json!({ "roles": ["staff"] }), is(&[], false)),
            (json!({}), is(&[], false)),
            (json!({ "_claim_names": { "groups": "src1" } }), None),
        ] {
            assert_eq!(roles(rest.clone()), expected, "{rest}");
        }
    }

    #[test]
    fn of_many_groups_all_count_wherever_they_stand() {
        for many in [0, 1999, 2000, 40_000] {
            let mut groups = vec![json!("x"); many];
            groups.extend([json!("ops"), json!("b")]);
            let all = roles(json!({ "groups": groups })).unwrap();
            assert!(all.is_admin && all.groups == ["Bees"], "{many}");
            groups.reverse();
            assert_eq!(roles(json!({ "groups": groups })), Some(all), "{many}");
        }
    }

    #[test]
    fn what_one_token_does_not_say_is_taken_from_elsewhere() {
        let mut one = told(json!({ "groups": ["b"] }));
        assert!(one.lacks(&settings()));
        one.fill(Told {
            login: Some("zoe".into()),
            name: Some("Zoe".into()),
            ..told(json!({ "groups": ["ops"], "more": 1 }))
        });
        assert!(!one.lacks(&settings()));
        assert_eq!(one.rest["groups"], json!(["b"]));
        one.rest.remove("groups");
        assert!(one.lacks(&settings()) && !one.lacks(&Oidc::default()));
    }
}
