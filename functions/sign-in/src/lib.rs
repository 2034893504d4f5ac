//! POST /auth/user/emailpass.
