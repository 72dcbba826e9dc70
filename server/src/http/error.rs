//! From what went wrong to a status and a stable code, in one place.

use std::borrow::Cow;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::access::Denied;
use crate::accounts::{AccountsError, Refusal};
use crate::document::Refused;
use crate::name::BadName;
use crate::storage::StorageError;

/// An error of the API: a status, a stable code for programs and a sentence for people.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: Cow<'static, str>,
    /// More that a program may want to know, by name.
    details: Vec<(&'static str, usize)>,
}

macro_rules! errors {
    ($($(#[$doc:meta])* $name:ident = $status:ident, $code:literal, $message:literal;)*) => {
        impl ApiError {
            $($(#[$doc])* pub const $name: Self = Self {
                status: StatusCode::$status,
                code: $code,
                message: Cow::Borrowed($message),
                details: Vec::new(),
            };)*
        }
    };
}

errors! {
    /// Nothing is at this URL, or there never was such a document.
    NOT_FOUND = NOT_FOUND, "not_found", "there is nothing here";
    /// The document was deleted.
    DELETED = GONE, "deleted", "this document was deleted";
    /// It cannot be created twice.
    EXISTS = CONFLICT, "exists", "this document exists already";
    /// The URL is that of a WebSocket.
    NO_SOCKET = UPGRADE_REQUIRED, "upgrade_required", "this URL is for WebSocket connections";
    /// The route has no such method.
    METHOD_NOT_ALLOWED = METHOD_NOT_ALLOWED, "method_not_allowed", "this URL does not take this method";
    /// The text is larger than a document may be.
    TOO_LARGE = PAYLOAD_TOO_LARGE, "too_large", "this text is larger than a document may be";
    /// The body is no update, or one that cannot be true.
    BAD_UPDATE = BAD_REQUEST, "bad_update", "this is not a Yjs update";
    /// The update writes in the name of somebody who is connected.
    IN_USE = CONFLICT, "in_use", "this update writes under a client id that is in use";
    /// The update, or the version, is of what the name stood for before.
    REPLACED = CONFLICT, "replaced", "this is of what this name stood for before";
    /// The version is not known any more.
    STALE = CONFLICT, "stale", "this version is too long ago";
    /// The document is at another version than the request is for.
    MOVED = PRECONDITION_FAILED, "version_mismatch", "the document has moved on";
    /// The request has the name of another one.
    KEY_USED = UNPROCESSABLE_ENTITY, "key_used", "this Idempotency-Key was used for another request, and nothing is changed";
    /// The root holds values.
    NOT_TEXT = CONFLICT, "not_text", "this root is not a text";
    /// Access that cannot be given.
    NO_TOKENS = NOT_IMPLEMENTED, "not_implemented", "this server has no accounts: it gives no access for reading only";
    /// The body is not UTF-8.
    NOT_UTF8 = BAD_REQUEST, "not_utf8", "the text has to be UTF-8";
    /// Whoever asks has not shown who they are.
    NOT_KNOWN = UNAUTHORIZED, "sign_in", "sign in first";
    /// A token that opens nothing, or not any more.
    BAD_TOKEN = UNAUTHORIZED, "bad_token", "this token is not valid, or not any more";
    /// Login and password do not belong together, or nobody has them.
    WRONG_PASSWORD = UNAUTHORIZED, "wrong_password", "this is not the password of this login";
    /// The password is right, and the account may not be used.
    DISABLED = FORBIDDEN, "disabled", "this account is disabled: ask whoever looks after the accounts here";
    /// Whoever changes their password does not know it.
    WRONG_OLD_PASSWORD = FORBIDDEN, "wrong_password", "this is not your password";
    /// There is none that could be changed.
    NO_PASSWORD = CONFLICT, "no_password", "this account has no password: whoever looks after the accounts here can send a link to choose one";
    /// An invitation that was never given, was used or revoked, or has expired.
    NO_INVITATION = NOT_FOUND, "no_invitation", "this invitation is not valid any more";
    /// A link that was never made, was revoked, or has expired.
    NO_LINK = NOT_FOUND, "no_link", "this link is not valid any more";
    /// The link alone is not enough.
    LINK_PASSWORD = FORBIDDEN, "link_password", "this link needs its password";
    /// The provider that people sign in with does not answer.
    PROVIDER = BAD_GATEWAY, "provider_unreachable", "where you would sign in does not answer now; try again in a moment";
    /// Access cannot be given to somebody who is not there.
    NO_SUBJECT = NOT_FOUND, "no_subject", "there is no such person or group";
    /// The document is deleted, and access to whatever gets its name may be left.
    NOT_FORGOTTEN = SERVICE_UNAVAILABLE, "storage", "the document is deleted, but what was shared of it could not be taken back";
    /// A token that is for less than everything.
    LIMITED_TOKEN = FORBIDDEN, "limited_token", "this token is not for accounts: it takes one to own everything";
    /// Whoever asks does not look after the accounts.
    NOT_ADMIN = FORBIDDEN, "not_admin", "this is for administrators";
    /// A body of JSON with too much in it.
    BODY_TOO_LARGE = PAYLOAD_TOO_LARGE, "too_large", "this is more than is read here";
    /// Too many documents would have to be looked at.
    TOO_BROAD = BAD_REQUEST, "too_broad", "this is found in too many documents; ask for more words";
    /// The words of documents are not indexed.
    NO_SEARCH = NOT_IMPLEMENTED, "not_implemented", "this server does not search in texts; see the setting search";
    /// It says nothing about what is found.
    NO_INDEX = SERVICE_UNAVAILABLE, "storage", "the index of words cannot be read now; try again in a moment";
    /// They may not see it.
    NOT_ALLOWED = FORBIDDEN, "not_allowed", "this document is not shared with you";
    /// They may see it and no more.
    READ_ONLY = FORBIDDEN, "read_only", "you may only read this document";
    /// They may not do this with it.
    NOT_OWNER = FORBIDDEN, "not_owner", "only the owner of this document may do this";
    /// The Origin is neither ours nor configured.
    ORIGIN = FORBIDDEN, "origin_not_allowed", "requests from this origin are not allowed; see allow_origin";
    /// The Host is neither loopback nor configured.
    HOST = FORBIDDEN, "host_not_allowed", "this server does not answer to this host name; see allow_host";
    /// Storage does not answer; says nothing about whether a document exists.
    STORAGE = SERVICE_UNAVAILABLE, "storage", "storage does not answer; nothing was changed";
    /// As many connections as there may be, or the document is being loaded anew.
    OVERLOADED = SERVICE_UNAVAILABLE, "overloaded", "try again in a moment";
    /// The server stops.
    SHUTTING_DOWN = SERVICE_UNAVAILABLE, "shutting_down", "the server is stopping";
    /// The reader of rich documents crashed, took too long or wrote too much.
    VIEW_FAILED = INTERNAL_SERVER_ERROR, "view_failed", "this document cannot be shown";
    /// A bug.
    INTERNAL = INTERNAL_SERVER_ERROR, "internal", "something went wrong in the server";
}

impl ApiError {
    /// The stable code.
    #[cfg(test)]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// Somebody has tried too often and has to wait.
    pub fn too_many(wait: Duration) -> Self {
        let seconds = usize::try_from(wait.as_secs())
            .unwrap_or(usize::MAX)
            .saturating_add(1);
        Self {
            status: StatusCode::TOO_MANY_REQUESTS,
            details: vec![("retry_after", seconds)],
            ..Self::bad(
                "too_many_attempts",
                format!("too many attempts; try again in {seconds} s"),
            )
        }
    }

    /// What is wrong with an invitation is told in one way.
    pub fn or_no_invitation(self) -> Self {
        match self.code {
            "not_valid" => Self::NO_INVITATION,
            _ => self,
        }
    }

    /// What is missing is a link.
    pub fn or_no_link(self) -> Self {
        match self.code {
            "not_found" => Self::NO_LINK,
            _ => self,
        }
    }

    /// What is missing is the session of whoever asks.
    pub fn or_not_known(self) -> Self {
        match self.code {
            "not_found" => Self::NOT_KNOWN,
            _ => self,
        }
    }

    /// What is missing is whom something was to be given to.
    pub fn or_no_subject(self) -> Self {
        match self.code {
            "not_found" => Self::NO_SUBJECT,
            _ => self,
        }
    }

    /// Whether it says that there is no document, and none was deleted.
    pub fn is_absence(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }

    /// A query parameter that cannot be read, and what it should be.
    pub fn bad_query(message: &'static str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code: "bad_query",
            message: message.into(),
            details: Vec::new(),
        }
    }

    /// The request body did not arrive.
    pub fn bad_body() -> Self {
        Self::bad("bad_body", "the body did not arrive whole")
    }

    /// Somebody signs in at another address than people come back to, or than cookies are for.
    pub fn other_address(right: &str) -> Self {
        Self::bad("other_address", format!("open {right} to sign in"))
    }

    /// Something in the request that cannot be read, and what it should be.
    pub fn bad(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code,
            message: message.into(),
            details: Vec::new(),
        }
    }
}

impl From<BadName> for ApiError {
    fn from(error: BadName) -> Self {
        Self::bad("bad_name", error.to_string())
    }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NotFound => Self::NOT_FOUND,
            Refused::Deleted => Self::DELETED,
            Refused::Exists => Self::EXISTS,
            Refused::TooLarge => Self::TOO_LARGE,
            Refused::Malformed => Self::BAD_UPDATE,
            Refused::Stale => Self::STALE,
            Refused::Moved => Self::MOVED,
            Refused::KeyUsed => Self::KEY_USED,
            Refused::OutOfRange { .. } => Self::bad("out_of_range", refused.to_string()),
            Refused::NotBoundary { .. } => Self::bad("not_boundary", refused.to_string()),
            Refused::Unsorted { .. } => Self::bad("unsorted", refused.to_string()),
            Refused::NotText => Self::NOT_TEXT,
            Refused::Count { found } => Self {
                status: StatusCode::CONFLICT,
                details: vec![("found", found)],
                ..Self::bad("count_mismatch", refused.to_string())
            },
            Refused::Denied(denied) => denied.into(),
            Refused::Foreign => Self::IN_USE,
            Refused::Replaced => Self::REPLACED,
            Refused::Storage | Refused::NoRoom => Self::STORAGE,
            Refused::Full | Refused::Again | Refused::Unsearched => Self::OVERLOADED,
        }
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::NotKnown => Self::NOT_KNOWN,
            Denied::NotAllowed => Self::NOT_ALLOWED,
            Denied::ReadOnly => Self::READ_ONLY,
            Denied::NotOwner => Self::NOT_OWNER,
        }
    }
}

impl From<AccountsError> for ApiError {
    fn from(error: AccountsError) -> Self {
        match error {
            AccountsError::Refused(refusal) => match refusal {
                Refusal::Missing(_) => Self::NOT_FOUND,
                Refusal::WrongPassword => Self::WRONG_PASSWORD,
                Refusal::NotAdmin => Self::NOT_ADMIN,
                Refusal::Denied(denied) => denied.into(),
                Refusal::Invitation => Self::bad("not_valid", refusal.to_string()),
                Refusal::LoginTaken(_)
                | Refusal::NameTaken
                | Refusal::IdentityTaken
                | Refusal::GroupTaken
                | Refusal::GroupInSettings
                | Refusal::LastAdmin
                | Refusal::NoPassword
                | Refusal::Linked
                | Refusal::NotFirst => Self {
                    status: StatusCode::CONFLICT,
                    ..Self::bad("bad_account", refusal.to_string())
                },
                refusal => Self::bad("bad_account", refusal.to_string()),
            },
            AccountsError::Busy => Self::OVERLOADED,
            error => {
                tracing::error!(%error, "the accounts failed");
                Self::STORAGE
            }
        }
    }
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        tracing::error!(%error, "storage failed");
        Self::STORAGE
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut body = json!({ "code": self.code, "message": self.message });
        let mut headers = HeaderMap::new();
        for (name, number) in self.details {
            body[name] = number.into();
            if name == "retry_after" {
                headers.insert(header::RETRY_AFTER, number.into());
            }
        }
        (self.status, headers, Json(body)).into_response()
    }
}
