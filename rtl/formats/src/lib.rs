//! bitmill-formats
