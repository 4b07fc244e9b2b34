//! From configuration to delivery, over a real outbox.
