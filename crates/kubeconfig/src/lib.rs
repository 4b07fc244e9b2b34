//! How to reach an API server.
