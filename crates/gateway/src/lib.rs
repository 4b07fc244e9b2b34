//! An auditing reverse proxy in front of any API server.
