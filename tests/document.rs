//! The API's document, and whether an answer is as it says.

use jsonschema::Validator;
use serde_json::{Value, json};

/// The API's OpenAPI document.
pub struct Document(Value);

impl Document {
    /// The one that the API serves.
    #[must_use]
    pub fn of_the_api() -> Self {
        Self(serde_json::from_str(admin_api::OPENAPI).expect("the document is JSON"))
    }

    /// The whole document.
    #[must_use]
    pub const fn value(&self) -> &Value {
        &self.0
    }

    /// Its operations: `POST /admin/brands`, and what is said of it.
    pub fn operations(&self) -> impl Iterator<Item = (String, &Value)> {
        let paths = self.at("/paths").as_object().expect("paths");
        paths.iter().flat_map(|(path, item)| {
            let item = item.as_object().expect("a path's operations");
            let operations = item.iter().filter(|(key, _)| *key != "parameters");
            operations.map(move |(method, operation)| {
                (format!("{} {path}", method.to_uppercase()), operation)
            })
        })
    }

    /// What stands there, by JSON pointer.
    #[must_use]
    pub fn at(&self, pointer: &str) -> &Value {
        let found = self.0.pointer(pointer);
        found.unwrap_or_else(|| panic!("the document has no {pointer}"))
    }

    /// A validator of a schema that may refer to those of the document.
    #[must_use]
    pub fn validator(&self, schema: &Value) -> Validator {
        let schema = json!({ "allOf": [schema], "components": self.at("/components") });
        let options = jsonschema::options().should_validate_formats(true);
        options.build(&schema).expect("a schema")
    }

    /// What is said of that status of the operation that answers there; none where there is no such operation.
    ///
    /// # Panics
    ///
    /// If the operation is not said to answer that.
    #[must_use]
    pub fn response(&self, method: &str, path: &str, status: u16) -> Option<&Value> {
        let path = path.split('?').next().unwrap_or_default();
        let fitting = self.operations().filter(|(name, _)| {
            let (known, template) = name.split_once(' ').expect("method and path");
            known == method && fits(template, path)
        });
        // As in API Gateway, the path of a route comes before one that has a variable there.
        let (_, operation) = fitting.min_by_key(|(name, _)| name.matches('{').count())?;
        let response = operation.pointer(&format!("/responses/{status}"));
        let response =
            response.unwrap_or_else(|| panic!("{method} {path}: {status} is not in the document"));
        Some(self.resolved(response))
    }

    /// Whether there is such an operation, and if so, that the answer is as the document says of it.
    ///
    /// # Panics
    ///
    /// If the answer is otherwise.
    #[must_use]
    pub fn knows(&self, method: &str, path: &str, status: u16, body: &Value) -> bool {
        let Some(response) = self.response(method, path, status) else {
            return false;
        };
        let schema = response.pointer("/content/application~1json/schema");
        let validator = self.validator(schema.expect("an answer in JSON"));
        let problems: Vec<String> = validator
            .iter_errors(body)
            .map(|error| error.to_string())
            .collect();
        assert!(
            problems.is_empty(),
            "{method} {path} {status}: {body}: {problems:?}"
        );
        true
    }

    /// What a `$ref` stands for.
    #[must_use]
    pub fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value.get("$ref").and_then(Value::as_str) {
            Some(reference) => self.at(reference.trim_start_matches('#')),
            None => value,
        }
    }
}

fn fits(template: &str, path: &str) -> bool {
    let (mut wanted, mut found) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => return true,
            (Some(wanted), Some(found))
                if wanted == found || (wanted.starts_with('{') && !found.is_empty()) => {}
            _ => return false,
        }
    }
}
