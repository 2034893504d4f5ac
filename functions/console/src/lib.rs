//! GET /app: the console, a page with its style sheet and its module. All three are embedded in the executable.
//!
//! The page calls the public API with the user's own token, so this function needs no permissions and no configuration.

use std::sync::LazyLock;

use admin_api::ApiError;
use lambda_http::{
    Body, Request, RequestExt, Response,
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
            REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
        },
    },
};
use sha2::{Digest, Sha256};

/// A file of the console.
struct Asset {
    content: &'static str,
    content_type: &'static str,
    tag: LazyLock<String>,
}

static PAGE: Asset = Asset {
    content: include_str!("../page/console.html"),
    content_type: "text/html; charset=utf-8",
    tag: LazyLock::new(|| tag(PAGE.content)),
};
static STYLES: Asset = Asset {
    content: include_str!("../page/console.css"),
    content_type: "text/css; charset=utf-8",
    tag: LazyLock::new(|| tag(STYLES.content)),
};
static MODULE: Asset = Asset {
    content: include_str!("../page/console.js"),
    content_type: "text/javascript; charset=utf-8",
    tag: LazyLock::new(|| tag(MODULE.content)),
};

/// Headers of every file. The policy allows what the page needs: its module, its style sheet, the API, and its icon, a data URL.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    ),
    // Kept, but asked for each time: a new release shows at once, and the old one costs a 304.
    (CACHE_CONTROL, "no-cache"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// Answers one request.
pub fn answer(request: &Request) -> Result<Response<Body>, ApiError> {
    // The page's URLs are relative to `/app`, so `/app/` must not show it: `no_route` redirects.
    let is_readable = matches!(*request.method(), Method::GET | Method::HEAD)
        && !request.raw_http_path().ends_with('/');
    match admin_api::path(request)[..] {
        ["app"] if is_readable => respond(request, &PAGE),
        ["app", "console.css"] if is_readable => respond(request, &STYLES),
        ["app", "console.js"] if is_readable => respond(request, &MODULE),
        _ => Ok(admin_api::no_route(request)),
    }
}

fn respond(request: &Request, asset: &Asset) -> Result<Response<Body>, ApiError> {
    let tag = HeaderValue::from_str(&asset.tag).map_err(|_| ApiError::Unknown)?;
    let mut response = Response::new(Body::Empty);
    if matches(request.headers(), &tag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        *response.body_mut() = Body::from(asset.content);
    }
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let content_type = HeaderValue::from_static(asset.content_type);
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(ETAG, tag);
    Ok(response)
}

/// Whether the client has that version. Comparison is weak (RFC 9110, 13.1.2): a proxy that compresses weakens tags.
fn matches(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .map(|given| given.strip_prefix(b"W/").unwrap_or(given))
        .any(|given| given == b"*" || given == tag.as_bytes())
}

/// The entity tag of a content: the first half of its SHA-256.
fn tag(content: &str) -> String {
    let digest = Sha256::digest(content);
    let half = digest.first_chunk().copied().map(u128::from_be_bytes);
    format!("\"{:032x}\"", half.unwrap_or_default())
}
