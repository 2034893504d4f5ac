//! sync-brand.
