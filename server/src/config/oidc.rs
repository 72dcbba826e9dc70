//! Signing in with accounts of another system, by OpenID Connect.

use axum::http::Uri;

use crate::link::address::is_loopback;

/// What is in force for it. Nothing of it is, as long as there is no issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oidc {
    /// Who says who somebody is, as a URL. Default none.
    pub issuer: String,
    /// What this server is called there. Default none.
    pub client_id: String,
    /// File with the secret that it has there. Default none.
    pub client_secret_file: String,
    /// What the button says: *Sign in with …*. Default the host of the issuer.
    pub name: String,
    /// What is asked for beside `openid`. Default `profile`.
    pub scope: Vec<String>,
    /// The claim that says in which groups somebody is. Default `groups`.
    pub groups_claim: String,
    /// `<group there>=<group here>`. Default none.
    pub group: Vec<String>,
    /// Groups there whose people are administrators here. Default none.
    pub admin_group: Vec<String>,
    /// Who gets an account without an invitation. Default those of a group that is named.
    pub new_people: NewPeople,
}

/// Which people that are not known yet get an account when they sign in. Whoever has an invitation always does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewPeople {
    /// None.
    Invited,
    /// Those of a group that means something here.
    Mapped,
    /// All that the issuer knows.
    Everyone,
}

impl Default for Oidc {
    fn default() -> Self {
        Self {
            issuer: String::new(),
            client_id: String::new(),
            client_secret_file: String::new(),
            name: String::new(),
            scope: vec!["profile".to_owned()],
            groups_claim: "groups".to_owned(),
            group: Vec::new(),
            admin_group: Vec::new(),
            new_people: NewPeople::Mapped,
        }
    }
}

impl NewPeople {
    const ALL: [(Self, &str); 3] = [
        (Self::Invited, "invited"),
        (Self::Mapped, "mapped"),
        (Self::Everyone, "everyone"),
    ];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        let found = Self::ALL.into_iter().find(|(one, _)| *one == self);
        found.map_or("", |(_, text)| text)
    }

    /// What [`NewPeople::as_str`] has written.
    pub fn parse(text: &str) -> Option<Self> {
        let found = Self::ALL.into_iter().find(|(_, one)| *one == text);
        found.map(|(one, _)| one)
    }
}

impl Oidc {
    /// Group there and group here, of each that is mapped. A name there may have `=` in it.
    pub fn groups(&self) -> impl Iterator<Item = (&str, &str)> {
        self.group.iter().filter_map(|pair| pair.rsplit_once('='))
    }

    /// Why these settings do not go together with each other, and with the address of the server.
    pub(super) fn check(&self, public_url: &str) -> Result<(), String> {
        let default = Self::default();
        if self.issuer.is_empty() {
            return match *self == default {
                true => Ok(()),
                false => Err("settings that begin with oidc_ need oidc_issuer".to_owned()),
            };
        }
        if self.client_id.is_empty() {
            return Err("oidc_issuer needs oidc_client_id".to_owned());
        }
        if public_url.is_empty() {
            return Err(
                "oidc_issuer needs public_url, the address that people come back to".to_owned(),
            );
        }
        Ok(())
    }
}

/// `https://…`, or `http://…` of this machine.
pub fn secure(url: &str) -> Result<(), String> {
    let bad = || {
        format!("`{url}` is not an address that begins with https://, or http:// on this machine")
    };
    let uri: Uri = url.parse().map_err(|_| bad())?;
    let authority = uri.authority().ok_or_else(bad)?;
    let is_secure = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => is_loopback(authority.host().trim_matches(['[', ']'])),
        _ => false,
    };
    match is_secure && !authority.as_str().contains('@') && !url.contains('#') {
        true => Ok(()),
        false => Err(bad()),
    }
}

/// The address of an issuer: what discovery adds goes behind it.
pub(super) fn issuer(url: &str) -> Result<(), String> {
    secure(url)?;
    match url.contains('?') {
        true => Err(format!("`{url}` has a query")),
        false => Ok(()),
    }
}

/// `<group there>=<group here>`.
pub(super) fn mapping(pair: &str) -> Result<(), String> {
    match pair.rsplit_once('=') {
        Some((there, here)) if !there.is_empty() => {
            let here = crate::accounts::group_name(here);
            here.map_err(|error| format!("`{pair}`: {error}"))
        }
        _ => Err(format!(
            "`{pair}` is not a group there and a group here, such as staff=Editors"
        )),
    }
}

/// A text that is sent, or shown.
pub(super) fn text(text: &str) -> Result<(), String> {
    let is_fine =
        !text.trim().is_empty() && text.len() <= 200 && !text.chars().any(char::is_control);
    is_fine
        .then_some(())
        .ok_or_else(|| "it is a text of 1 to 200 bytes on one line".to_owned())
}

/// One word.
pub(super) fn word(word: &str) -> Result<(), String> {
    text(word)?;
    match word.contains(char::is_whitespace) {
        true => Err(format!("`{word}` has a space in it")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_asked_elsewhere_is_asked_over_tls_or_on_this_machine() {
        for good in [
            "https://id.example",
            "https://id.example:8443/realms/team/",
            "http://127.0.0.1:4000",
            "http://localhost/x",
            "http://[::1]:1",
        ] {
            assert_eq!(issuer(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "id.example",
            "http://id.example",
            "http://127.0.0.1.example",
            "https://ann@id.example",
            "https://id.example?a=b",
            "https://id.example#a",
            "ftp://localhost",
            "https:///x",
        ] {
            assert!(issuer(bad).is_err(), "{bad}");
        }
        assert_eq!(secure("https://id.example/keys?version=2"), Ok(()));
    }

    #[test]
    fn a_group_there_may_have_any_name() {
        let oidc = Oidc {
            group: vec!["staff=Editors".into(), "cn=a,ou=b=The team".into()],
            ..Oidc::default()
        };
        let all: Vec<_> = oidc.groups().collect();
        assert_eq!(all, [("staff", "Editors"), ("cn=a,ou=b", "The team")]);
        for pair in &oidc.group {
            assert_eq!(mapping(pair), Ok(()));
        }
        for bad in ["", "staff", "=Editors", "staff=", "staff= ", "staff=a\nb"] {
            assert!(mapping(bad).is_err(), "{bad}");
        }
    }
}
