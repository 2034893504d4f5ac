//! The users who may sign in.
