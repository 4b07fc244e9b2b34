//! In whose name somebody asks.
