//! Paths: what is at one, and the answer where there is nothing.

use lambda_http::{
    Body, Request, RequestExt, Response,
    http::{HeaderValue, StatusCode, header},
};

/// The most characters of a path that the page repeats.
const MAX_SHOWN: usize = 1000;

/// The parts of a request's path. One slash at its end makes no difference, as in Medusa's router, nor do more at its
/// beginning, as in API Gateway's.
#[must_use]
pub fn path(request: &Request) -> Vec<&str> {
    let path = request.raw_http_path().trim_start_matches('/');
    path.strip_suffix('/').unwrap_or(path).split('/').collect()
}

/// The answer where there is nothing: 404, with the page that Express shows in Medusa.
///
/// API Gateway knows no routes that end in a slash. So where a route would be without it, the answer is 308, which has the
/// client send the same request there.
#[must_use]
pub fn no_route(request: &Request) -> Response<Body> {
    if let Some(location) = without_slash(request) {
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
        response.headers_mut().insert(header::LOCATION, location);
        return response;
    }
    let path: String = request.uri().path().chars().take(MAX_SHOWN).collect();
    let page = page(request.method().as_str(), &path);
    let mut response = Response::new(Body::Text(page));
    *response.status_mut() = StatusCode::NOT_FOUND;
    // The page repeats what the client sent: it is escaped, and if it were not, no browser would run anything in it.
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (name, value) in headers {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

/// The request's URL without the slash at its end, if another function has a route there. It is relative (RFC 3986, 5.2.4): the API
/// may be below a path of its site. So it never leads to another site, whatever the path begins with.
fn without_slash(request: &Request) -> Option<HeaderValue> {
    let path = request.uri().path().trim_start_matches('/');
    let parts: Vec<&str> = path.strip_suffix('/')?.split('/').collect();
    let ([last @ "app"]
    | [
        "admin",
        last @ ("brands" | "cms" | "parked" | "workflows-executions"),
    ]
    | ["admin", "brands" | "parked" | "workflows-executions", last]
    | ["admin", "brands", _, last @ "sync"]
    | ["admin", "cms", last @ ("circuit" | "reconciliation")]
    | ["hooks", last @ "cms"]
    | ["admin", "workflows-executions", _, last]
    | ["admin", "workflows-executions", _, _, last @ "cancel"]
    | ["auth", _, last]) = parts[..]
    else {
        return None;
    };
    let query = request.uri().query();
    let query = query.map_or_else(String::new, |query| format!("?{query}"));
    let location = HeaderValue::try_from(format!("../{last}{query}")).ok();
    location.filter(|_| !last.is_empty())
}

fn page(method: &str, path: &str) -> String {
    let (method, path) = (escaped(method), escaped(path));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Error</title>\n</head>\n<body>\n\
         <pre>Cannot {method} {path}</pre>\n</body>\n</html>"
    )
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use lambda_http::{Request, RequestExt, http::StatusCode};

    use super::{no_route, page, path};

    fn request(path: &str) -> Request {
        let mut request = Request::default().with_raw_http_path(path);
        *request.uri_mut() = path.parse().unwrap();
        request
    }

    #[test]
    fn one_slash_at_the_end_makes_no_difference_nor_do_more_at_the_beginning() {
        for same in ["/admin/brands", "/admin/brands/", "//admin/brands"] {
            assert_eq!(path(&request(same)), ["admin", "brands"], "{same}");
        }
        assert_eq!(path(&request("/admin/brands//")), ["admin", "brands", ""]);
        assert_eq!(path(&request("/admin//brands")), ["admin", "", "brands"]);
    }

    #[test]
    fn where_a_route_would_be_without_the_slash_the_client_is_sent_there_and_to_no_other_site() {
        let location = |path: &str| {
            let answer = no_route(&request(path));
            let is_redirect = answer.status() == StatusCode::PERMANENT_REDIRECT;
            let location = answer.headers().get("location").cloned();
            assert_eq!(is_redirect, location.is_some(), "{path}");
            location.map(|location| location.to_str().unwrap().to_owned())
        };
        let expected = [
            ("/admin/brands/", Some("../brands")),
            ("/admin/brands/1/", Some("../1")),
            ("//admin/brands/1/?a=b", Some("../1?a=b")),
            ("/auth/user/emailpass/", Some("../emailpass")),
            ("/app/", Some("../app")),
            (
                "/admin/cms/?fields=activity",
                Some("../cms?fields=activity"),
            ),
            ("/admin/parked/", Some("../parked")),
            (
                "/admin/workflows-executions/",
                Some("../workflows-executions"),
            ),
            ("/admin/brands/sync/", Some("../sync")),
            ("/admin/brands/1/sync/", Some("../sync")),
            ("/admin/cms/circuit/", Some("../circuit")),
            ("/admin/cms/reconciliation/", Some("../reconciliation")),
            ("/hooks/cms/", Some("../cms")),
            ("/admin/parked/redrive/", Some("../redrive")),
            ("/admin/parked/1/", Some("../1")),
            ("/admin/workflows-executions/w:1/", Some("../w:1")),
            ("/admin/workflows-executions/w/1/", Some("../1")),
            ("/admin/workflows-executions/w:1/cancel/", Some("../cancel")),
            ("/admin/workflows-executions/w/1/cancel/", Some("../cancel")),
            ("/admin/brands", None),
            ("/admin/brands/1", None),
            ("/admin/", None),
            ("/admin/brands//", None),
            ("/admin/nosuch/1/", None),
            ("/admin/brands/1/nosuch/", None),
            ("/admin/cms/nosuch/", None),
            ("/admin/workflows-executions/w/1/nosuch/", None),
            ("/app/console.js/", None),
            ("/app//", None),
            ("//evil.example/", None),
            ("//evil.example/admin/brands/1/", None),
        ];
        for (path, to) in expected {
            assert_eq!(location(path).as_deref(), to, "{path}");
        }
    }

    #[test]
    fn what_the_client_sent_is_text_on_the_page_and_nothing_else() {
        let page = page("GET", r#"/<script>alert('&"')</script>"#);
        assert!(
            page.contains("Cannot GET /&lt;script&gt;alert(&#39;&amp;&quot;&#39;)&lt;/script&gt;<"),
            "{page}"
        );
    }
}
