//! bitmill-units
