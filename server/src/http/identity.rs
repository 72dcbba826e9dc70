//! Who asks: by the cookie, the header or the parameter that comes along.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use crate::App;
use crate::access::Who;

/// Puts who asks into the request.
pub async fn identify(State(_app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(Arc::new(Who::default()));
    next.run(request).await
}
