//! What the admin API accepts: requests parsed at the edge, with Medusa's messages for what is wrong.

use std::{collections::HashSet, fmt};

use brand::{BrandName, InvalidBrandName};
use lambda_http::{Request, http::header};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;

use crate::ApiError;

/// The most bytes of a body, as in Medusa: 100 KiB.
pub const MAX_BODY: usize = 100 * 1024;

/// The most characters of a value that an error message repeats.
const MAX_SHOWN: usize = 100;

/// The body of a request, if it is sent as it is: nothing here unpacks one.
pub fn body(request: &Request) -> Result<&[u8], ApiError> {
    let encoding = request.headers().get(header::CONTENT_ENCODING);
    match encoding.map(|encoding| encoding.as_bytes().trim_ascii()) {
        Some(encoding) if !encoding.eq_ignore_ascii_case(b"identity") => {
            let encoding = shown(&String::from_utf8_lossy(encoding));
            Err(ApiError::UnsupportedEncoding(encoding))
        }
        _ => Ok(request.body()),
    }
}

/// As much of what a client sent as an error message repeats.
#[must_use]
pub fn shown(text: &str) -> String {
    text.chars().take(MAX_SHOWN).collect()
}

/// The body of POST /admin/brands and of POST /admin/brands/{id}.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrandRequest {
    /// The brand's name, as the client gave it.
    pub name: BrandName,
}

impl BrandRequest {
    /// Parses a body. Fields that the request does not have are refused, and so is a field that is given twice.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let mut fields = Fields::parse(body)?;
        let name = fields.text("name");
        fields.finish()?;
        let name = BrandName::parse(name).map_err(|refused| invalid(&[problem(refused)]))?;
        Ok(Self { name })
    }
}

/// Medusa's words for a name that is refused; for what Medusa itself accepts, words like them.
fn problem(refused: InvalidBrandName) -> String {
    match refused {
        InvalidBrandName::Blank => {
            "Value for field 'name' too small, expected at least: '1'".to_owned()
        }
        InvalidBrandName::TooLong => format!(
            "Value for field 'name' too big, expected at most: '{}'",
            BrandName::MAX_CHARS
        ),
        InvalidBrandName::ControlCharacter => {
            "Value for field 'name' must not contain control characters".to_owned()
        }
        InvalidBrandName::NotText => "Value for field 'name' must be valid text".to_owned(),
    }
}

/// The fields of a body in the order in which they were sent, and what is wrong with them. A field that is taken is of use only if
/// [`finish`](Self::finish) finds no problem.
#[derive(Clone, Debug)]
pub struct Fields {
    fields: Vec<(String, Value)>,
    problems: Vec<String>,
}

impl Fields {
    /// Parses a body. A field that is given twice is refused.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        match Document::parse(body)? {
            Document::Object(fields) => Ok(Self {
                fields,
                problems: Vec::new(),
            }),
            // Medusa finds that a list lacks its fields, and names none.
            Document::List => Err(invalid(&["Field '' is required".to_owned()])),
        }
    }

    /// Takes a field that must be there and be text.
    pub fn text(&mut self, name: &str) -> String {
        let text = self.optional_text(name);
        text.unwrap_or_else(|| {
            self.problem(format!("Field '{name}' is required"));
            String::new()
        })
    }

    /// Takes a field that is text if it is there.
    pub fn optional_text(&mut self, name: &str) -> Option<String> {
        match self.take(name)? {
            Value::String(text) => Some(text),
            other => {
                self.mistyped("string", name, &other);
                Some(String::new())
            }
        }
    }

    /// Takes a field that is a list of texts if it is there.
    pub fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        let values = match self.take(name)? {
            Value::Array(values) => values,
            other => {
                self.mistyped("array", name, &other);
                return None;
            }
        };
        let mut texts = Vec::new();
        for (place, value) in values.into_iter().enumerate() {
            match value {
                Value::String(text) => texts.push(text),
                other => self.mistyped("string", &format!("{name}, {place}"), &other),
            }
        }
        Some(texts)
    }

    /// Takes a field that is `true` or `false`; false where it is not there.
    pub fn flag(&mut self, name: &str) -> bool {
        match self.take(name) {
            None => false,
            Some(Value::Bool(flag)) => flag,
            Some(other) => {
                self.mistyped("boolean", name, &other);
                false
            }
        }
    }

    /// Takes a field that is an object, and its fields with `take`, if it is there. What is wrong in it is noted here.
    pub fn object<T>(&mut self, name: &str, take: impl FnOnce(&mut Self) -> T) -> Option<T> {
        let inner = match self.take(name)? {
            Value::Object(inner) => inner,
            other => {
                self.mistyped("object", name, &other);
                return None;
            }
        };
        let mut inner = Self {
            fields: inner.into_iter().collect(),
            problems: Vec::new(),
        };
        let taken = take(&mut inner);
        self.problems.append(&mut inner.problems);
        let left = inner.fields.into_iter();
        self.fields
            .extend(left.map(|(known, value)| (format!("{name}, {known}"), value)));
        Some(taken)
    }

    /// Notes that there is something wrong.
    pub fn problem(&mut self, problem: String) {
        self.problems.push(problem);
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        let index = self.fields.iter().position(|(known, _)| known == name)?;
        Some(self.fields.remove(index).1)
    }

    fn mistyped(&mut self, expected: &str, name: &str, value: &Value) {
        let shown = shown(&value.to_string());
        self.problem(format!(
            "Expected type: '{expected}' for field '{name}', got: '{shown}'"
        ));
    }

    /// Whether nothing was wrong and nothing is left over.
    pub fn finish(mut self) -> Result<(), ApiError> {
        if !self.fields.is_empty() {
            let names: Vec<&str> = self.fields.iter().map(|(name, _)| name.as_str()).collect();
            self.problems
                .push(format!("Unrecognized fields: '{}'", names.join(", ")));
        }
        if self.problems.is_empty() {
            Ok(())
        } else {
            Err(invalid(&self.problems))
        }
    }
}

fn invalid(problems: &[String]) -> ApiError {
    ApiError::InvalidData(format!("Invalid request: {}", problems.join("; ")))
}

/// What may be sent as a body: Medusa's parser takes objects and lists alone.
pub(crate) enum Document {
    Object(Vec<(String, Value)>),
    List,
}

impl Document {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        if body.len() > MAX_BODY {
            return Err(ApiError::TooLarge);
        }
        let text = std::str::from_utf8(body).map_err(|error| {
            ApiError::InvalidData(format!("The body is not valid UTF-8: {error}"))
        })?;
        // What Windows writes ahead of a text means nothing; Medusa's parser takes it off, too.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        // No body is a body without fields, as in Medusa.
        let text = if text.trim().is_empty() { "{}" } else { text };
        serde_json::from_str(text)
            .map_err(|error| ApiError::InvalidData(format!("The body is not valid JSON: {error}")))
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DocumentVisitor)
    }
}

struct DocumentVisitor;

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = Document;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Document, M::Error> {
        let mut fields: Vec<(String, Value)> = Vec::new();
        let mut names = HashSet::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if !names.insert(name.clone()) {
                return Err(M::Error::custom(format_args!(
                    "field '{name}' is given twice"
                )));
            }
            fields.push((name, value));
        }
        Ok(Document::Object(fields))
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Document, S::Error> {
        while list.next_element::<Value>()?.is_some() {}
        Ok(Document::List)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use lambda_http::Request;

    use super::{BrandRequest, MAX_BODY, body};
    use crate::ApiError;

    fn refusal(body: &str) -> String {
        match BrandRequest::parse(body.as_bytes()) {
            Ok(request) => format!("accepted {request:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_name_is_taken_as_it_is() {
        let request = BrandRequest::parse(br#"{"name":"  Acme  "}"#);
        assert_eq!(
            request.map(|request| request.name.to_string()),
            Ok("  Acme  ".to_owned())
        );
    }

    #[test]
    fn no_body_lacks_the_name() {
        assert_eq!(refusal(""), "Invalid request: Field 'name' is required");
        assert_eq!(refusal(" \n"), "Invalid request: Field 'name' is required");
    }

    #[test]
    fn a_value_of_another_type_is_shown_but_not_at_any_length() {
        let long = format!(r#"{{"name":[{}1]}}"#, "1,".repeat(1000));
        assert!(refusal(&long).len() < 200, "{}", refusal(&long));
        let null = "Invalid request: Expected type: 'string' for field 'name', got: 'null'";
        assert_eq!(refusal(r#"{"name":null}"#), null);
    }

    #[test]
    fn a_field_given_twice_is_refused_by_name() {
        assert!(refusal(r#"{"name":"a","name":"b"}"#).contains("field 'name' is given twice"));
    }

    #[test]
    fn what_follows_the_object_is_refused() {
        assert!(refusal(r#"{"name":"a"}{"#).contains("not valid JSON"));
    }

    #[test]
    fn text_that_is_not_utf_8_is_refused() {
        let parsed = BrandRequest::parse(b"{\"name\":\"\xff\"}");
        assert!(
            matches!(parsed, Err(ApiError::InvalidData(message)) if message.contains("not valid UTF-8"))
        );
    }

    #[test]
    fn a_byte_order_mark_ahead_of_the_body_is_nothing_and_elsewhere_it_is() {
        let marked = "\u{feff}{\"name\":\"Acme\"}";
        assert!(BrandRequest::parse(marked.as_bytes()).is_ok());
        assert_eq!(refusal("\u{feff}"), refusal(""));
        assert!(refusal("\u{feff}\u{feff}{}").contains("not valid JSON"));
    }

    #[test]
    fn a_body_that_is_packed_is_refused_before_it_is_read() {
        let encoded = |encoding: &str| {
            let mut request = Request::new("{}".into());
            let encoding = encoding.parse().unwrap();
            request.headers_mut().insert("content-encoding", encoding);
            body(&request).map(<[u8]>::to_vec)
        };
        for encoding in ["identity", " Identity"] {
            assert_eq!(encoded(encoding), Ok(b"{}".to_vec()));
        }
        for encoding in ["gzip", "br", "gzip, identity", ""] {
            let refused = ApiError::UnsupportedEncoding(encoding.to_owned());
            assert_eq!(encoded(encoding), Err(refused), "{encoding}");
        }
    }

    #[test]
    fn a_body_of_exactly_the_limit_is_read() {
        let fill = |length: usize| format!(r#"{{"name":"{}"}}"#, "n".repeat(length - 11));
        let too_long = "Invalid request: Value for field 'name' too big, expected at most: '255'";
        assert_eq!(refusal(&fill(MAX_BODY)), too_long);
        assert_eq!(
            BrandRequest::parse(fill(MAX_BODY + 1).as_bytes()),
            Err(ApiError::TooLarge)
        );
    }
}
