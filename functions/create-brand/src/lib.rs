//! create-brand.
