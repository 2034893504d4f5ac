//! That there is nothing, in the words of Express, which answers so in Medusa: a page for whoever looks with a browser.

use lambda_http::{
    Body, Request, Response,
    http::{HeaderValue, StatusCode, header},
};

/// The most characters of a path that the page repeats.
const MAX_SHOWN: usize = 1000;

/// 404, with the page.
pub(crate) fn answer(request: &Request) -> Response<Body> {
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
mod tests {
    use super::page;

    #[test]
    fn what_the_client_sent_is_text_on_the_page_and_nothing_else() {
        let page = page("GET", r#"/<script>alert('&"')</script>"#);
        assert!(
            page.contains("Cannot GET /&lt;script&gt;alert(&#39;&amp;&quot;&#39;)&lt;/script&gt;<"),
            "{page}"
        );
    }
}
