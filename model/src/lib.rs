//! bitmill-model
