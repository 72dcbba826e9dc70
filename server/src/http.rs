//! Everything that comes over HTTP: the page, the API, health, and the way to the sockets.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection};
use axum::extract::{DefaultBodyLimit, Extension, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Router, middleware};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;

mod accounts;
mod admin;
mod api;
mod assets;
pub mod attempts;
mod audit;
mod error;
mod follow;
mod groups;
mod guard;
mod health;
mod held;
mod home;
pub mod identity;
mod join;
mod oidc;
mod openapi;
mod owned;
mod people;
mod search;
mod sessions;
mod sharing;
mod tokens;
mod trash;
mod turns;
mod ysweet;

pub use admin::Counted;
use attempts::network;
use error::ApiError;
use identity::Visitor;
pub use turns::Turns;

use crate::App;
use crate::access::{Access, Holder, Known, Who};
use crate::connections::{Share, share};
use crate::gate;
use crate::name::DocumentName;
use crate::session::yjs::Dialect;
use crate::session::{Progress, hocuspocus, text, yjs};
use crate::storage::{Entry, Lookup};

/// A request is answered within this time or with 503.
const REQUEST: Duration = Duration::from_secs(30);
/// Eagerly allocated for every socket, in bytes.
const READ_BUFFER: usize = 4 * 1024;
/// A socket's writes are gathered up to here, in bytes.
const WRITE_BUFFER: usize = 32 * 1024;

/// What a browser may do with our pages: no script and no style but ours, no frames, no connection elsewhere, and
/// no HTML made from a string but by the sanitiser.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; font-src 'none'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types dompurify";

/// Browsers come back over TLS for a year. Other hosts below this one are not ours.
const TLS_ONLY: &str = "max-age=31536000";

/// All routes.
pub fn router(app: Arc<App>) -> Router {
    let fixed = |name: header::HeaderName, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
    };
    // Before anything of a body is read.
    let known_only = middleware::from_fn_with_state(app.clone(), identity::known_only);
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/api/openapi.json", get(openapi::openapi))
        .route("/api/documents", get(api::list))
        .route(
            "/api/documents/{*name}",
            get(api::read)
                .put(api::create)
                .patch(api::patch)
                .post(api::post)
                .delete(api::delete)
                .route_layer(known_only.clone()),
        )
        .route("/yjs", any(yjs_socket))
        .route("/yjs/", any(yjs_socket))
        .route("/yjs/{*name}", any(yjs_socket))
        .route("/hocuspocus", any(hocuspocus_socket))
        .route("/hocuspocus/", any(hocuspocus_socket))
        .route("/text/{*name}", any(text_socket))
        .route(
            "/doc/new",
            post(ysweet::create).route_layer(known_only.clone()),
        )
        .route(
            "/doc/{*name}",
            post(ysweet::auth).route_layer(known_only.clone()),
        )
        .route("/check_store", post(ysweet::check_store))
        .route("/ready", get(health::ready))
        .route(
            "/d/{*name}",
            post(ysweet::update)
                .route_layer(known_only)
                // Sockets are told by their close code.
                .get(ysweet::get)
                .layer(DefaultBodyLimit::max(app.config.max_update_bytes)),
        )
        .merge(
            sessions::router()
                .merge(join::router())
                .merge(sharing::router())
                .merge(follow::router())
                .merge(people::router())
                .merge(held::router())
                .merge(owned::router())
                .merge(groups::router())
                .merge(tokens::router())
                .merge(oidc::router())
                .merge(audit::router())
                .merge(trash::router())
                .merge(admin::router())
                .merge(search::router())
                .layer(DefaultBodyLimit::max(accounts::MAX_BODY)),
        )
        .route("/", get(assets::page))
        .route("/join", get(assets::page))
        .route("/admin", get(assets::page))
        .route("/in/{*folder}", get(assets::page))
        .route("/recent", get(assets::page))
        .route("/shared", get(assets::page))
        .route("/trash", get(assets::page))
        .route("/s", get(assets::page))
        .route("/edit/", get(assets::page))
        .route("/edit/{*name}", get(assets::page))
        .fallback(assets::file)
        .method_not_allowed_fallback(async || ApiError::METHOD_NOT_ALLOWED)
        .layer(DefaultBodyLimit::max(app.config.max_text_bytes))
        .layer(middleware::from_fn_with_state(
            app.clone(),
            identity::identify,
        ))
        .layer(middleware::from_fn_with_state(app.clone(), guard::check))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            REQUEST,
        ))
        .layer(CatchPanicLayer::custom(|_| {
            ApiError::INTERNAL.into_response()
        }))
        .layer(fixed(
            header::CONTENT_SECURITY_POLICY,
            CONTENT_SECURITY_POLICY,
        ))
        .layer(fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(fixed(header::REFERRER_POLICY, "no-referrer"))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::STRICT_TRANSPORT_SECURITY,
            app.config
                .has_tls_host()
                .then(|| HeaderValue::from_static(TLS_ONLY)),
        ))
        .with_state(app)
}

async fn yjs_socket(
    State(app): State<Arc<App>>,
    Extension(progress): Extension<Arc<Progress>>,
    Extension(visitor): Extension<Visitor>,
    uri: Uri,
    upgrade: Upgrade,
) -> Result<Response, ApiError> {
    let path = uri.path().strip_prefix("/yjs/").unwrap_or_default();
    let name = DocumentName::from_url(path);
    let (upgrade, share) = socket(&app, &visitor, upgrade)?;
    let who = visitor.who;
    progress.comes_from(visitor.address);
    let sessions = app.sessions.clone();
    Ok(upgrade.on_upgrade(move |socket| {
        let dialect = Dialect::YWebsocket;
        sessions.track_future(held(
            share,
            yjs::run(app, socket, name, who, progress, dialect),
        ))
    }))
}

async fn hocuspocus_socket(
    State(app): State<Arc<App>>,
    Extension(progress): Extension<Arc<Progress>>,
    Extension(visitor): Extension<Visitor>,
    upgrade: Upgrade,
) -> Result<Response, ApiError> {
    let (upgrade, share) = socket(&app, &visitor, upgrade)?;
    let who = visitor.who;
    progress.comes_from(visitor.address);
    let sessions = app.sessions.clone();
    Ok(upgrade.on_upgrade(move |socket| {
        sessions.track_future(held(share, hocuspocus::run(app, socket, who, progress)))
    }))
}

async fn text_socket(
    State(app): State<Arc<App>>,
    Extension(progress): Extension<Arc<Progress>>,
    Extension(visitor): Extension<Visitor>,
    uri: Uri,
    upgrade: Upgrade,
) -> Result<Response, ApiError> {
    let path = uri.path().strip_prefix("/text/").unwrap_or_default();
    let name = DocumentName::from_url(path);
    // A client says nothing larger than an edit.
    let largest = app.config.max_update_bytes;
    let (upgrade, share) = socket(&app, &visitor, upgrade)?;
    let upgrade = upgrade
        .max_message_size(largest)
        .max_frame_size(largest)
        .protocols([text::SUBPROTOCOL]);
    let who = visitor.who;
    progress.comes_from(visitor.address);
    let sessions = app.sessions.clone();
    Ok(upgrade.on_upgrade(move |socket| {
        sessions.track_future(held(share, text::run(app, socket, name, who, progress)))
    }))
}

/// What is known of a document in a list.
fn known(entry: &Entry) -> Known<'_> {
    entry.into()
}

/// A document that somebody may read, or more. That there is none only those hear who could begin it, or may do something with whatever has its
/// name.
async fn found(
    app: &Arc<App>,
    who: &Arc<Who>,
    name: &DocumentName,
    need: Access,
) -> Result<Entry, ApiError> {
    let (storage, wanted) = (app.storage.clone(), name.clone());
    let reading = app.machine.blocking(move || storage.entry(&wanted));
    let lookup = reading.await.ok_or(ApiError::INTERNAL)??;
    let (rules, now_ms) = (app.gate.rules(), app.machine.now_ms());
    let access = gate::access(&rules, who, name, &lookup, now_ms);
    if let Some(denied) = rules.denies(who, access, need, now_ms) {
        app.metrics.refused_access.add_one();
        return Err(denied.into());
    }
    match lookup {
        Lookup::Found(entry) => Ok(entry),
        Lookup::Absent => Err(ApiError::NOT_FOUND),
        Lookup::Deleted => Err(ApiError::DELETED),
    }
}

/// Room for one more connection that stays, of those that there may be and of those of whoever comes. Where there are no accounts, what is on
/// this machine, as a proxy is, may have all of them.
fn room(app: &App, visitor: &Visitor) -> Result<Option<Share>, ApiError> {
    if app.stopping.is_cancelled() {
        return Err(ApiError::SHUTTING_DOWN);
    }
    if !app.is_ready() {
        return Err(ApiError::STORAGE);
    }
    let full = || {
        app.metrics.refused_full.add_one();
        ApiError::OVERLOADED
    };
    let most = app.config.max_connections;
    if app.metrics.connections.get() >= most as u64 {
        return Err(full());
    }
    let rules = app.gate.rules();
    if rules.is_open && visitor.address.is_loopback() {
        return Ok(None);
    }
    let holder = rules.holder(&visitor.who, app.machine.now_ms());
    let holder = holder.unwrap_or_else(|| Holder::Network(network(visitor.address)));
    let share = app.shares.take(holder, share(holder, most));
    share.map(Some).ok_or_else(full)
}

/// Serves a connection that has its room meanwhile.
async fn held(_share: Option<Share>, session: impl Future<Output = ()>) {
    session.await;
}

/// What may be a request for a socket.
type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

/// A socket, if there is room for one more, which it takes as long as it is there; and how much may come over it.
fn socket(
    app: &App,
    visitor: &Visitor,
    upgrade: Upgrade,
) -> Result<(WebSocketUpgrade, Option<Share>), ApiError> {
    let upgrade = upgrade.map_err(|_| ApiError::NO_SOCKET)?;
    let share = room(app, visitor)?;
    let upgrade = upgrade
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(app.config.max_sync_bytes)
        .max_frame_size(app.config.max_sync_bytes);
    Ok((upgrade, share))
}
